//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ow_domain::Severity;
use ow_service::HumanDuration;

use crate::client::args::{
    AlarmsCommand, ChannelsCommand, ContextCommand, ImportArgs, ReceiverCommand, RouteCommand, SilencesCommand,
};
use crate::when::When;

/// Watches live HLS and DASH channels at the packager and tells the NOC what is wrong.
#[derive(Debug, Parser)]
#[command(
    name = "ottwatch",
    version,
    after_help = "Examples:
  ottwatch up --demo                                  everything on this machine, with a demo channel that goes wrong
  ottwatch check https://origin/vtv3/master.m3u8 --for 60s
  ottwatch apply -f channels/ --dry-run
  ottwatch tail 'alert.>'
  ottwatch fetcher --config /etc/ottwatch.toml        one service, as in production"
)]
pub struct Cli {
    /// Form of log lines on standard error.
    #[arg(long, global = true, env = "OTTWATCH_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// Log filter in the notation of RUST_LOG; default warn for clients, info for services.
    #[arg(long, global = true, env = "OTTWATCH_LOG")]
    pub log: Option<String>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything in one process on private NATS and PostgreSQL servers.
    Up(UpArgs),
    /// Watch streams for a while without any server and report what is wrong.
    Check(CheckArgs),
    /// Record what a stream answers for a while, to be judged again by `replay`.
    Capture(CaptureArgs),
    /// Judge recorded captures again, and compare with what was said then or with another policy.
    Replay(ReplayArgs),
    /// Manifests as they were served.
    Manifest {
        #[command(subcommand)]
        command: ManifestCommand,
    },
    /// Bring the configuration to what the files say.
    Apply(ApplyArgs),
    /// Print the stored configuration as YAML that `apply` takes back.
    Export(ExportArgs),
    /// Show what `apply` would change.
    Diff(DiffArgs),
    /// Print messages of the bus as they come, e.g. `alert.>` or `verdict.>`.
    Tail(TailArgs),
    /// People who may sign in, on the database itself: the first administrator comes by this.
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
    /// The keys that secrets of the configuration are sealed with.
    Secrets {
        #[command(subcommand)]
        command: SecretsCommand,
    },
    #[command(flatten)]
    Client(ClientCommand),
    /// Print the completion script of a shell, as in `ottwatch completion bash > /etc/bash_completion.d/ottwatch`.
    Completion { shell: clap_complete::Shell },
    /// Look for everything that ottwatch needs and say what is missing.
    Doctor(ConnectArgs),
    /// Serve endless live HLS and DASH channels, with faults on demand.
    Origin(OriginArgs),
    /// Templates.
    Template {
        #[command(subcommand)]
        command: TemplateCommand,
    },
    /// SNMP tools.
    Snmp {
        #[command(subcommand)]
        command: SnmpCommand,
    },
    /// Print what the documents in the tree are generated from, as JSON.
    #[command(hide = true)]
    GenDocs,
    /// Service: turn channel policies into standing fetch jobs; publish ticks.
    Scheduler(ServiceArgs),
    /// Service: fetch playlists and segments, publish captures.
    Fetcher(ServiceArgs),
    /// Service: judge captures, publish verdicts.
    Validator(ServiceArgs),
    /// Service: turn verdicts into incidents and notify jobs.
    AlertRouter(ServiceArgs),
    /// Service: deliver notices by SNMP, e-mail, Slack and webhook.
    Notifier(ServiceArgs),
    /// Service: keep measures and verdicts for dashboards.
    Recorder(ServiceArgs),
    /// Service: REST interface; compiles configuration into policies.
    Api(ServiceArgs),
}

/// What talks to the REST interface.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Alarms: list, acknowledge, note, shelve, resolve.
    Alarms {
        #[command(subcommand)]
        command: AlarmsCommand,
    },
    /// Channels: list, show, pause, resume.
    Channels {
        #[command(subcommand)]
        command: ChannelsCommand,
    },
    /// Make or change channels by a table (CSV) or a playlist of players (M3U).
    Import(ImportArgs),
    /// Silences: list, add, end.
    Silences {
        #[command(subcommand)]
        command: SilencesCommand,
    },
    /// Routes.
    Route {
        #[command(subcommand)]
        command: RouteCommand,
    },
    /// Receivers.
    Receiver {
        #[command(subcommand)]
        command: ReceiverCommand,
    },
    /// Installations by name, to be taken with --context.
    Context {
        #[command(subcommand)]
        command: ContextCommand,
    },
}

#[derive(Debug, Clone, Args)]
pub struct ServiceArgs {
    /// TOML file; a section per service, and [nats] and [postgres]. Environment variables OTTWATCH_<SECTION>__<KEY> win.
    #[arg(long, short, env = "OTTWATCH_CONFIG")]
    pub config: Option<PathBuf>,
    /// Only read the configuration, report every problem, and end with 0 or 78.
    #[arg(long)]
    pub check_config: bool,
    /// Address of /metrics and /health; port 0 takes a free one.
    #[arg(long, env = "OTTWATCH_OPS_LISTEN", default_value = "127.0.0.1:0")]
    pub ops_listen: SocketAddr,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  ottwatch up --demo
  ottwatch up -f channels/ --listen 0.0.0.0:8080 --home /var/lib/ottwatch
  ottwatch up --nats nats://bus:4222 --postgres 'host=db user=ottwatch dbname=ottwatch'")]
pub struct UpArgs {
    /// Start a demo packager and channels that go wrong by script every few minutes.
    #[arg(long)]
    pub demo: bool,
    /// Configuration files or folders to apply at start.
    #[arg(short = 'f', long = "file", value_name = "FILE|DIR")]
    pub files: Vec<PathBuf>,
    /// Folder of all data.
    #[arg(long, env = "OTTWATCH_HOME", default_value = ".ottwatch")]
    pub home: PathBuf,
    /// Address of the REST interface, metrics and health. When the port is taken the next free one is used.
    #[arg(long, env = "OTTWATCH_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Use this NATS server instead of a private one.
    #[arg(long, env = "OTTWATCH_NATS_URL", hide_env_values = true)]
    pub nats: Option<String>,
    /// Use this PostgreSQL server instead of a private one.
    #[arg(long, env = "OTTWATCH_POSTGRES", hide_env_values = true)]
    pub postgres: Option<String>,
    /// TOML file with settings of the services.
    #[arg(long, short, env = "OTTWATCH_CONFIG")]
    pub config: Option<PathBuf>,
    /// Name of the probe that this process is.
    #[arg(long, default_value = "local")]
    pub probe: String,
}

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Exit codes: 0 nothing found (or only below --fail-on), 1 warning or minor, 2 major or critical,
3 could not tell, 64 wrong usage.

Examples:
  ottwatch check https://origin/vtv3/master.m3u8
  ottwatch check http://origin/a/master.m3u8 http://origin/b/master.m3u8 --for 2m -o junit > report.xml
  ottwatch check https://packager/vtv3/master.m3u8 --ca lab-ca.pem --fail-on major -o json"
)]
pub struct CheckArgs {
    /// Entry URLs: multivariant or media playlists, MPDs.
    #[arg(required = true, value_name = "URL")]
    pub urls: Vec<String>,
    /// How long to watch.
    #[arg(long = "for", value_name = "DURATION", default_value = "60s")]
    pub duration: HumanDuration,
    #[arg(short, long, value_enum, default_value = "table")]
    pub output: Output,
    /// Least severity that makes the exit code non-zero.
    #[arg(long, value_name = "SEVERITY", default_value = "warning")]
    pub fail_on: Severity,
    /// Template document (YAML) with thresholds and limits.
    #[arg(long, value_name = "FILE")]
    pub template: Option<PathBuf>,
    /// PEM file with further trusted authorities.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "The file is a zstd frame of JSON lines: `zstdcat FILE | jq .` shows it. It holds the URLs that were asked for with
their queries, so it is readable by its owner only; the values of --header are not in it.

Examples:
  ottwatch capture https://packager/vtv3/master.m3u8 --for 10m -o vtv3.jsonl.zst
  ottwatch capture https://packager/vtv3/manifest.mpd --header 'Authorization: Bearer 123'
  ottwatch replay vtv3.jsonl.zst"
)]
pub struct CaptureArgs {
    /// Entry URL: multivariant or media playlist, MPD.
    pub url: String,
    /// How long to watch.
    #[arg(long = "for", value_name = "DURATION", default_value = "5m")]
    pub duration: HumanDuration,
    /// The bundle to write; default: named after the start, in the current folder.
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Sent with every request; may be given several times.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// Name of the channel in the bundle.
    #[arg(long, default_value = "captured")]
    pub channel: String,
    /// Template document (YAML) with thresholds and limits.
    #[arg(long, value_name = "FILE")]
    pub template: Option<PathBuf>,
    /// PEM file with further trusted authorities.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Times: RFC 3339 (2026-11-22T09:41:07Z), `now`, or that long ago: -90s, -5m, -2h.

Exit codes: 0 no difference, 1 a difference (of verdicts to those published; with --policy, of alarms), 64 wrong usage,
69 a server does not answer or nothing is recorded.

Examples:
  ottwatch replay --from -30m --channel vtv3-hd
  ottwatch replay --from 2026-11-22T09:00:00Z --to 2026-11-22T10:00:00Z --policy stricter.yaml
  ottwatch replay vtv3.jsonl.zst --json")]
pub struct ReplayArgs {
    /// Bundle written by `ottwatch capture`; without one the captures of the stream are judged.
    pub bundle: Option<PathBuf>,
    /// Begin of the range.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, required_unless_present = "bundle")]
    pub from: Option<When>,
    /// End of the range.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub to: Option<When>,
    /// Only this channel.
    #[arg(long, value_name = "ID")]
    pub channel: Option<String>,
    /// Judge by this policy too, and show which alarms would differ: a YAML file with a Channel (and its templates) or
    /// a Template, or a compiled policy (JSON).
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Captures of so long before --from are judged too, unseen, so that the state at --from is the one of then.
    #[arg(long, value_name = "DURATION", default_value = "15m")]
    pub warm_up: HumanDuration,
    /// Only verdicts whose list of conditions changed.
    #[arg(long)]
    pub changes: bool,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub connect: ConnectArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub enum ManifestCommand {
    /// Print what was served at a time.
    At(ManifestAtArgs),
    /// Show how what was served differs between two times: by meaning, then as text. Exit code 1 when it does.
    Diff(ManifestDiffArgs),
    /// List loads: those that brought something else than the one before, and one a minute.
    Ls(ManifestLsArgs),
    /// Print a manifest by its digest, as evidence names it.
    Show(ManifestShowArgs),
}

/// Which manifests of a channel; all without these.
#[derive(Debug, Clone, Args)]
pub struct ManifestWhich {
    #[arg(long, value_name = "ID")]
    pub stream: Option<String>,
    /// Rendition, as in the subject of alarms.
    #[arg(long, value_name = "ID")]
    pub track: Option<String>,
    #[arg(long, value_enum)]
    pub object: Option<ManifestObject>,
    /// As this probe saw it.
    #[arg(long, value_name = "ID")]
    pub probe: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ManifestObject {
    Mvp,
    MediaPlaylist,
    Mpd,
}

impl ManifestObject {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mvp => "mvp",
            Self::MediaPlaylist => "media-playlist",
            Self::Mpd => "mpd",
        }
    }
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Times: RFC 3339 (2026-11-22T09:41:07Z), `now`, or that long ago: -90s, -5m, -2h.

Examples:
  ottwatch manifest at vtv3-hd 2026-11-22T09:41:07Z --track video-1080p
  ottwatch manifest at vtv3-hd -10m --object mvp")]
pub struct ManifestAtArgs {
    pub channel: String,
    #[arg(value_name = "TIME", allow_hyphen_values = true)]
    pub time: When,
    #[command(flatten)]
    pub which: ManifestWhich,
    /// Print each manifest as one line of JSON.
    #[arg(short, long, value_enum, default_value = "text")]
    pub output: TailOutput,
    #[command(flatten)]
    pub connect: ConnectArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:
  ottwatch manifest diff vtv3-hd 2026-11-22T09:41:00Z 2026-11-22T09:42:00Z --track video-1080p")]
pub struct ManifestDiffArgs {
    pub channel: String,
    #[arg(value_name = "T1", allow_hyphen_values = true)]
    pub before: When,
    #[arg(value_name = "T2", allow_hyphen_values = true)]
    pub after: When,
    #[command(flatten)]
    pub which: ManifestWhich,
    /// Print each manifest as one line of JSON.
    #[arg(short, long, value_enum, default_value = "text")]
    pub output: TailOutput,
    #[command(flatten)]
    pub connect: ConnectArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:
  ottwatch manifest ls vtv3-hd --from -10m --track video-1080p")]
pub struct ManifestLsArgs {
    pub channel: String,
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, default_value = "-10m")]
    pub from: When,
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, default_value = "now")]
    pub to: When,
    #[command(flatten)]
    pub which: ManifestWhich,
    #[arg(long, default_value_t = 1000)]
    pub limit: u32,
    /// Print each load as one line of JSON.
    #[arg(short, long, value_enum, default_value = "text")]
    pub output: TailOutput,
    #[command(flatten)]
    pub connect: ConnectArgs,
}

#[derive(Debug, Clone, Args)]
pub struct ManifestShowArgs {
    /// SHA-256 of the body, 64 hex digits.
    pub digest: String,
    #[command(flatten)]
    pub connect: ConnectArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Table,
    Json,
    Ndjson,
    Junit,
}

#[derive(Debug, Clone, Subcommand)]
pub enum UserCommand {
    /// Make a user, and print the one-time code by which they set a password.
    Create(UserCreateArgs),
    /// Print a new one-time code for a user who is there: a forgotten password.
    Invite(UserInviteArgs),
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  ottwatch user create thu --role admin
  ottwatch user create sport-noc --role operator --label-scope 'group=sport|news'")]
pub struct UserCreateArgs {
    /// What they sign in with.
    pub name: String,
    /// viewer, operator, engineer or admin.
    #[arg(long, default_value = "admin")]
    pub role: ow_domain::access::Role,
    #[arg(long)]
    pub display_name: Option<String>,
    /// Channels that they see, by labels; without it all.
    #[arg(long)]
    pub label_scope: Option<String>,
    #[command(flatten)]
    pub connect: ConnectArgs,
}

#[derive(Debug, Clone, Args)]
pub struct UserInviteArgs {
    pub name: String,
    #[command(flatten)]
    pub connect: ConnectArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub enum SecretsCommand {
    /// Make a new key and seal every secret anew with it.
    RotateKey(RotateArgs),
}

#[derive(Debug, Clone, Args)]
pub struct RotateArgs {
    /// Key file; default `secrets.key` in the home.
    #[arg(long, env = "OTTWATCH_SECRETS__KEY_FILE")]
    pub key_file: Option<PathBuf>,
    /// Take the older keys out of the file afterwards.
    #[arg(long)]
    pub drop_old: bool,
    #[command(flatten)]
    pub connect: ConnectArgs,
}

/// Where the servers are.
#[derive(Debug, Clone, Args)]
pub struct ConnectArgs {
    /// Folder of a running `ottwatch up`, which tells where its servers are.
    #[arg(long, env = "OTTWATCH_HOME", default_value = ".ottwatch")]
    pub home: PathBuf,
    /// NATS URL instead.
    #[arg(long, env = "OTTWATCH_NATS_URL", hide_env_values = true)]
    pub nats: Option<String>,
    /// User of nats.conf, as for the services; `operator` may read everything.
    #[arg(long, env = "OTTWATCH_NATS__USER", requires = "nats_password_file")]
    pub nats_user: Option<String>,
    /// File that holds the password of this user.
    #[arg(long, env = "OTTWATCH_NATS__PASSWORD_FILE", value_name = "FILE")]
    pub nats_password_file: Option<PathBuf>,
    /// PEM of the authority that signed the certificate of the NATS server.
    #[arg(long, env = "OTTWATCH_NATS__CA_FILE", value_name = "FILE")]
    pub nats_ca_file: Option<PathBuf>,
    /// PostgreSQL connection string instead.
    #[arg(long, env = "OTTWATCH_POSTGRES", hide_env_values = true)]
    pub postgres: Option<String>,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  ottwatch apply -f channels.yaml --dry-run
  ottwatch apply -f site/ --owner git --prune")]
pub struct ApplyArgs {
    /// YAML files, or folders of them.
    #[arg(short = 'f', long = "file", required = true, value_name = "FILE|DIR")]
    pub files: Vec<PathBuf>,
    /// Only show what would change.
    #[arg(long)]
    pub dry_run: bool,
    /// On whose behalf: written into the label managed-by of each object, so that pruning knows what is yours.
    #[arg(long, value_name = "NAME")]
    pub owner: Option<ow_domain::Slug>,
    /// Delete the owner's objects that are not in the files. Those of others stay.
    #[arg(long, requires = "owner")]
    pub prune: bool,
    /// Take objects that another owner looks after.
    #[arg(long, requires = "owner")]
    pub take_over: bool,
    #[command(flatten)]
    pub connect: ConnectArgs,
}

#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// Only documents of this kind, such as Channel.
    #[arg(long)]
    pub kind: Option<String>,
    #[command(flatten)]
    pub connect: ConnectArgs,
}

#[derive(Debug, Clone, Args)]
pub struct DiffArgs {
    /// YAML files, or folders of them.
    #[arg(short = 'f', long = "file", required = true, value_name = "FILE|DIR")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub connect: ConnectArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  ottwatch tail 'alert.>'
  ottwatch tail 'verdict.*.vtv3-hd' -o json")]
pub struct TailArgs {
    /// Subject below `ottwatch.v1.`, wildcards `*` and `>` allowed.
    pub subject: String,
    /// Print each message as one line of JSON.
    #[arg(short, long, value_enum, default_value = "text")]
    pub output: TailOutput,
    /// End after this many messages.
    #[arg(long, short = 'n')]
    pub count: Option<u64>,
    #[command(flatten)]
    pub connect: ConnectArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TailOutput {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AlarmState {
    Active,
    Cleared,
    All,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  ottwatch origin --listen 127.0.0.1:9000 --segment-ms 6000
  curl -s http://127.0.0.1:9000/live/demo/ts/master.m3u8
  ottwatch origin --fault F07@60s..120s --fault F14
  ottwatch origin --script faults.toml")]
pub struct OriginArgs {
    #[arg(long, default_value = "127.0.0.1:9000")]
    pub listen: SocketAddr,
    /// Segment duration in milliseconds.
    #[arg(long, default_value_t = 6_000)]
    pub segment_ms: u32,
    /// Faults at times, TOML.
    #[arg(long)]
    pub script: Option<PathBuf>,
    /// A fault by name, for ever or from one time since the start to another; --list-faults shows the names.
    #[arg(long, value_name = "NAME[@FROM[..TO]]")]
    pub fault: Vec<String>,
    /// Print the names of faults and end.
    #[arg(long)]
    pub list_faults: bool,
    /// Refuse fault calls over HTTP.
    #[arg(long)]
    pub no_control: bool,
}

#[derive(Debug, Clone, Subcommand)]
pub enum TemplateCommand {
    /// Propose a template from what a channel offers now.
    Learn(TemplateLearnArgs),
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "The template is printed, not stored: read it, then apply it.

Examples:
  ottwatch template learn vtv3-hd > vtv3-hd.template.yaml
  ottwatch template learn vtv3-hd --url http://packager-07/vtv3/master.m3u8 --url http://packager-07/vtv3/manifest.mpd")]
pub struct TemplateLearnArgs {
    /// Name of the channel.
    pub channel: String,
    /// Entry URL to learn from instead of the stored channel's; once per stream.
    #[arg(long, value_name = "URL")]
    pub url: Vec<String>,
    /// Name of the template; default the channel's with -learned.
    #[arg(long)]
    pub name: Option<String>,
    /// PEM file with further trusted authorities.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    #[command(flatten)]
    pub connect: ConnectArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub enum SnmpCommand {
    /// Print the MIB, for the given arc.
    Mib {
        /// Dotted base OID, e.g. 1.3.6.1.4.1.<PEN>.1
        #[arg(long)]
        base_oid: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn commands_of_the_readme_parse() {
        for line in [
            "ottwatch up --demo",
            "ottwatch check http://h/a.m3u8 http://h/b.mpd --for 90s -o junit --fail-on major --ca ca.pem",
            "ottwatch apply -f a.yaml -f dir --dry-run",
            "ottwatch tail alert.> -n 1",
            "ottwatch capture http://h/a.m3u8 --for 5m -o a.jsonl.zst --header a:b",
            "ottwatch replay --from -30m --to now --channel vtv3 --policy p.yaml --json",
            "ottwatch replay a.jsonl.zst",
            "ottwatch manifest at vtv3 -10m --track video-1 --object media-playlist",
            "ottwatch manifest diff vtv3 -10m now -o json",
            "ottwatch manifest ls vtv3 --from -1h",
            "ottwatch alarms ls --severity critical,major --state all",
            "ottwatch alarms ack 1042 --note called --until +2h --context prod",
            "ottwatch channels ls --severity critical -q vtv --label group=sport",
            "ottwatch channels pause vtv3 vtv4",
            "ottwatch silences add channel=vtv3 --for 2h --comment swap",
            "ottwatch route explain channel=vtv3 severity=critical",
            "ottwatch receiver test noc-slack",
            "ottwatch context add prod --url https://ottwatch.example.net --token-file t",
            "ottwatch completion bash",
            "ottwatch alert-router --check-config",
        ] {
            Cli::try_parse_from(line.split(' ')).unwrap_or_else(|e| panic!("{line}: {e}"));
        }
        assert!(Cli::try_parse_from(["ottwatch", "check", "http://h/a", "--for", "60"]).is_err());
        assert!(Cli::try_parse_from(["ottwatch", "check", "http://h/a", "--fail-on", "fatal"]).is_err());
        assert!(Cli::try_parse_from(["ottwatch", "replay"]).is_err());
        assert!(Cli::try_parse_from(["ottwatch", "replay", "--from", "yesterday"]).is_err());
    }
}
