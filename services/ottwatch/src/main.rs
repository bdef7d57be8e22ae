//! `ottwatch`: the one binary. A subcommand per service, `up` for all of them, and the command-line client.

mod access_cmd;
mod admin_token;
mod capture;
mod check;
mod cli;
mod client;
mod config_cmd;
mod doctor;
mod gen_docs;
mod manifest;
mod origin_cmd;
mod replay;
mod runfile;
mod services;
mod settings;
mod tail;
mod template;
mod up;
mod when;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use ow_bus::Bus;
use ow_service::{Exit, telemetry};
use ow_store::{Store, StoreConfig};

use cli::{Cli, Command, ConnectArgs, LogFormat, ManifestCommand, SecretsCommand, SnmpCommand};
use cli::{TemplateCommand, UserCommand};
use config_cmd::ApplyOptions;
use services::Service;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            let help =
                matches!(error.kind(), clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion);
            return if help { Exit::Ok } else { Exit::Usage }.into();
        }
    };
    let is_service = service_of(&cli.command).is_some();
    let filter = cli.log.clone().unwrap_or_else(|| if is_service { "info" } else { "warn" }.to_owned());
    let format = match cli.log_format {
        LogFormat::Text => telemetry::LogFormat::Text,
        LogFormat::Json => telemetry::LogFormat::Json,
    };
    telemetry::init(format, &filter);
    // One TLS stack for the whole process; a second call finds it installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return Exit::Software.into();
        }
    };
    let exit = runtime.block_on(run(cli.command)).unwrap_or_else(|error| {
        eprintln!("{error:#}");
        Exit::Unavailable
    });
    exit.into()
}

fn service_of(command: &Command) -> Option<(Service, &cli::ServiceArgs)> {
    Some(match command {
        Command::Scheduler(args) => (Service::Scheduler, args),
        Command::Fetcher(args) => (Service::Fetcher, args),
        Command::Validator(args) => (Service::Validator, args),
        Command::AlertRouter(args) => (Service::AlertRouter, args),
        Command::Notifier(args) => (Service::Notifier, args),
        Command::Recorder(args) => (Service::Recorder, args),
        Command::Api(args) => (Service::Api, args),
        _ => return None,
    })
}

async fn run(command: Command) -> Result<Exit> {
    if let Some((service, args)) = service_of(&command) {
        return Ok(services::main(service, args).await);
    }
    match command {
        Command::Up(args) => Ok(up::main(&args).await),
        Command::Check(args) => check::main(&args).await,
        Command::Capture(args) => capture::main(&args).await,
        Command::Replay(args) => replay::main(&args).await,
        Command::Manifest { command } => match command {
            ManifestCommand::At(args) => manifest::at(&args).await,
            ManifestCommand::Diff(args) => manifest::diff(&args).await,
            ManifestCommand::Ls(args) => manifest::ls(&args).await,
            ManifestCommand::Show(args) => manifest::show(&args).await,
        },
        Command::Apply(args) => {
            let store = open_store(&args.connect)?;
            let bus = if args.dry_run { None } else { connect_bus(&args.connect).await };
            let (prune, take_over) = (args.prune, args.take_over);
            let owner = args.owner.clone().map(|name| ow_config::Owner { name, prune, take_over });
            let options = ApplyOptions { dry_run: args.dry_run, owner };
            Ok(config_cmd::apply(&store, bus.as_ref(), &args.files, options).await)
        }
        Command::Export(args) => Ok(config_cmd::export(&open_store(&args.connect)?, args.kind.as_deref()).await),
        Command::Diff(args) => Ok(config_cmd::diff(&open_store(&args.connect)?, &args.files, None).await),
        Command::Tail(args) => tail::main(&args).await,
        Command::User { command } => match command {
            UserCommand::Create(args) => access_cmd::create_user(&open_store(&args.connect)?, &args).await,
            UserCommand::Invite(args) => access_cmd::invite_user(&open_store(&args.connect)?, &args).await,
        },
        Command::Secrets { command: SecretsCommand::RotateKey(args) } => access_cmd::rotate_key(&args).await,
        Command::Client(command) => client::main(&command).await,
        Command::Completion { shell } => {
            client::print_completion(shell);
            Ok(Exit::Ok)
        }
        Command::Doctor(args) => Ok(doctor::main(&args).await),
        Command::Origin(args) => origin_cmd::main(&args).await,
        Command::Snmp { command: SnmpCommand::Mib { base_oid } } => Ok(print_mib(base_oid.as_deref())),
        Command::Template { command: TemplateCommand::Learn(args) } => template::learn(&args).await,
        Command::GenDocs => gen_docs::main(),
        _ => Ok(Exit::Usage),
    }
}

fn open_store(connect: &ConnectArgs) -> Result<Store> {
    access_cmd::install_keys_of(connect)?;
    Store::open(StoreConfig::new(runfile::postgres(connect)?)).context("cannot use PostgreSQL")
}

/// Configuration is stored without the bus; the api publishes it when the bus is back.
async fn connect_bus(connect: &ConnectArgs) -> Option<Bus> {
    let endpoints = runfile::endpoints(connect).ok()?;
    let mut config = runfile::bus_config(connect, endpoints.nats, "ottwatch/apply");
    config.connect_wait = std::time::Duration::from_secs(3);
    match Bus::connect(config).await {
        Ok(bus) => Some(bus),
        Err(error) => {
            eprintln!("NATS does not answer; the api will publish the change: {}", telemetry::chain(&error));
            None
        }
    }
}

fn print_mib(base_oid: Option<&str>) -> Exit {
    match ow_notifier::mib_text(base_oid.unwrap_or(ow_domain::receiver::DEFAULT_BASE_OID)) {
        Ok(text) => {
            print!("{text}");
            Exit::Ok
        }
        Err(error) => {
            eprintln!("--base-oid: {error}");
            Exit::Usage
        }
    }
}
