//! Arguments of the commands that talk to the REST interface.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use ow_domain::Severity;

use crate::cli::{AlarmState, TailOutput};
use crate::when::When;

/// Where the REST interface is, and as whom.
#[derive(Debug, Clone, Args)]
pub struct ApiArgs {
    /// Folder of a running `ottwatch up`, which tells where it listens.
    #[arg(long, env = "OTTWATCH_HOME", default_value = ".ottwatch")]
    pub home: PathBuf,
    /// Installation by name, of `ottwatch context ls`.
    #[arg(long, env = "OTTWATCH_CONTEXT")]
    pub context: Option<String>,
    /// Address of the REST interface instead.
    #[arg(long, env = "OTTWATCH_URL")]
    pub url: Option<String>,
    /// File with a token.
    #[arg(long, env = "OTTWATCH_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// PEM file with the authority of the server.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

#[derive(Debug, Clone, Subcommand)]
pub enum AlarmsCommand {
    /// List alarms.
    Ls(AlarmsLsArgs),
    /// Show one alarm with its history.
    Show(AlarmArgs),
    /// Say that somebody looks after it.
    Ack(AlarmOrderArgs),
    /// Take an acknowledgement back.
    Unack(AlarmOrderArgs),
    /// Write down what was found out.
    Note(AlarmOrderArgs),
    /// Put away until a time.
    Shelve(AlarmOrderArgs),
    /// Take from the shelf.
    Unshelve(AlarmOrderArgs),
    /// Close by hand.
    Resolve(AlarmOrderArgs),
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:
  ottwatch alarms ls --state active --severity critical,major")]
pub struct AlarmsLsArgs {
    #[arg(long, value_enum, default_value = "active")]
    pub state: AlarmState,
    /// Comma-separated severities.
    #[arg(long, value_delimiter = ',')]
    pub severity: Vec<Severity>,
    #[arg(long)]
    pub channel: Option<String>,
    #[arg(long, default_value_t = 100)]
    pub limit: u32,
    #[arg(short, long, value_enum, default_value = "text")]
    pub output: TailOutput,
    #[command(flatten)]
    pub api: ApiArgs,
}

#[derive(Debug, Clone, Args)]
pub struct AlarmArgs {
    /// As in `alarms ls`: 1042 or INC-1042.
    pub alarm: String,
    #[arg(short, long, value_enum, default_value = "text")]
    pub output: TailOutput,
    #[command(flatten)]
    pub api: ApiArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  ottwatch alarms ack 1042 --note 'vendor is called'
  ottwatch alarms ack 1042 1043 --until +2h
  ottwatch alarms shelve 1042 --until 2026-11-22T12:00:00Z --note 'known, fix comes tonight'")]
pub struct AlarmOrderArgs {
    /// As in `alarms ls`: 1042 or INC-1042; at most 500.
    #[arg(required = true, value_name = "ALARM")]
    pub alarms: Vec<String>,
    /// Why.
    #[arg(long)]
    pub note: Option<String>,
    /// When it ends by itself.
    #[arg(long, value_name = "TIME")]
    pub until: Option<When>,
    #[command(flatten)]
    pub api: ApiArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub enum ChannelsCommand {
    /// List channels with their state.
    Ls(ChannelsLsArgs),
    /// Show one channel.
    Show(NameArgs),
    /// Stop watching.
    Pause(NamesArgs),
    /// Watch again.
    Resume(NamesArgs),
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  ottwatch channels ls --severity critical,major
  ottwatch channels ls -q vtv --label group=sport -o json")]
pub struct ChannelsLsArgs {
    /// Only in these states; comma-separated.
    #[arg(long, value_delimiter = ',')]
    pub severity: Vec<Severity>,
    /// Part of the name.
    #[arg(short, long)]
    pub q: Option<String>,
    /// With this label; may be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    pub label: Vec<String>,
    #[arg(long)]
    pub template: Option<String>,
    #[arg(long)]
    pub packager: Option<String>,
    #[arg(short, long, value_enum, default_value = "text")]
    pub output: TailOutput,
    #[command(flatten)]
    pub api: ApiArgs,
}

#[derive(Debug, Clone, Args)]
pub struct NameArgs {
    pub name: String,
    #[command(flatten)]
    pub api: ApiArgs,
}

#[derive(Debug, Clone, Args)]
pub struct NamesArgs {
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub api: ApiArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    Csv,
    M3u,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Ends with 2 if a row failed. Examples:
  ottwatch import channels.csv --dry-run --probe
  ottwatch import list.m3u --template hd --probes hcm-1,hn-1 --skip-failed")]
pub struct ImportArgs {
    /// `-` is standard input.
    pub file: PathBuf,
    /// By the first line when it is not given.
    #[arg(long, value_enum)]
    pub format: Option<ListFormat>,
    /// Only tell what would change.
    #[arg(long)]
    pub dry_run: bool,
    /// Ask each address once and tell what answered.
    #[arg(long)]
    pub probe: bool,
    /// Apply the good rows although others failed; else it is all rows or none.
    #[arg(long)]
    pub skip_failed: bool,
    /// Template of rows that name none.
    #[arg(long)]
    pub template: Option<String>,
    /// Packager of rows that name none.
    #[arg(long)]
    pub packager: Option<String>,
    /// Region of rows that name none.
    #[arg(long)]
    pub region: Option<String>,
    /// Probes of rows that name none; comma-separated.
    #[arg(long)]
    pub probes: Option<String>,
    /// On whose behalf: written into the label managed-by of each channel.
    #[arg(long)]
    pub owner: Option<String>,
    #[arg(short, long, value_enum, default_value = "text")]
    pub output: TailOutput,
    #[command(flatten)]
    pub api: ApiArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub enum SilencesCommand {
    /// List silences.
    Ls(SilencesLsArgs),
    /// Silence what matches, from now on.
    Add(SilencesAddArgs),
    /// End a silence now.
    End(NameArgs),
}

#[derive(Debug, Clone, Args)]
pub struct SilencesLsArgs {
    #[arg(short, long, value_enum, default_value = "text")]
    pub output: TailOutput,
    #[command(flatten)]
    pub api: ApiArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:
  ottwatch silences add channel=vtv3-hd 'check=~hls-.*' --for 2h --comment 'encoder swap'")]
pub struct SilencesAddArgs {
    /// What it hides, as in routes: name=value, name!=value, name=~regex.
    #[arg(required = true, value_name = "MATCHER")]
    pub matchers: Vec<String>,
    #[arg(long = "for", value_name = "DURATION")]
    pub lasts: ow_service::HumanDuration,
    /// Why.
    #[arg(long)]
    pub comment: String,
    /// Name of the silence; made from the time when it is not given.
    #[arg(long)]
    pub name: Option<String>,
    #[command(flatten)]
    pub api: ApiArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub enum RouteCommand {
    /// Who would be told of an alarm, and why not others.
    Explain(RouteExplainArgs),
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  ottwatch route explain --alarm 1042
  ottwatch route explain channel=vtv3-hd severity=critical check=hls-playlist-stale")]
pub struct RouteExplainArgs {
    /// A stored alarm.
    #[arg(long, conflicts_with = "labels")]
    pub alarm: Option<String>,
    /// Of an alarm that might be: name=value.
    #[arg(value_name = "NAME=VALUE", required_unless_present = "alarm")]
    pub labels: Vec<String>,
    #[arg(short, long, value_enum, default_value = "text")]
    pub output: TailOutput,
    #[command(flatten)]
    pub api: ApiArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub enum ReceiverCommand {
    /// Send a test message and say what became of it.
    Test(NameArgs),
}

#[derive(Debug, Clone, Subcommand)]
pub enum ContextCommand {
    /// List known installations.
    Ls,
    /// Take this one when no other is named.
    Use { name: String },
    /// Add or change one.
    Add {
        name: String,
        /// Address of the REST interface, as https://ottwatch.example.net
        #[arg(long)]
        url: String,
        /// File with a token.
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
        /// PEM file with the authority of the server.
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
    },
    /// Forget one.
    Rm { name: String },
}
