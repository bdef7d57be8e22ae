//! `ottwatch up`: every service in one process, on private servers unless others are named.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use ow_bus::{Bus, Limits};
use ow_config::SourceFile;
use ow_contracts::Subject;
use ow_domain::ProbeId;
use ow_domain::config::{ChangedBy, ConfigKind, ConfigObject};
use ow_local::{LocalNats, LocalPostgres, NatsOptions, PgOptions};
use ow_origin::{FaultScript, Origin, OriginConfig};
use ow_service::{Exit, Ops, shutdown, telemetry};
use ow_store::Store;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::access_cmd;
use crate::admin_token;
use crate::cli::{TailOutput, UpArgs};
use crate::config_cmd::{self, ApplyOptions};
use crate::runfile::RunFile;
use crate::services::{self, Service, Settings, Shared};
use crate::settings::{Site, replica_name};
use crate::tail;

const DEMO: &str = include_str!("../assets/demo.yaml");
const DEMO_FAULTS: &str = include_str!("../assets/demo-faults.toml");
/// How many ports after the wanted one are tried.
const PORTS_TRIED: u16 = 50;
/// How long the services may take to hand over and drain.
const DRAIN: Duration = Duration::from_secs(15);

/// Private servers; they end when this is dropped.
struct Servers {
    nats: Option<LocalNats>,
    postgres: Option<LocalPostgres>,
}

pub async fn main(args: &UpArgs) -> Exit {
    if let Err(error) = ProbeId::new(&args.probe) {
        eprintln!("--probe {:?}: {}; for example --probe local", args.probe, error.reason);
        return Exit::Usage;
    }
    let (mut site, settings) = match Site::read(args.config.as_deref(), &Service::ALL) {
        Ok(read) => read,
        Err(problems) => {
            eprintln!("{problems}");
            return Exit::Config;
        }
    };
    match run(args, &mut site, settings).await {
        Ok(exit) => exit,
        Err(error) => {
            eprintln!("ottwatch up: {error:#}");
            Exit::Unavailable
        }
    }
}

async fn run(args: &UpArgs, site: &mut Site, settings: Vec<(Service, Settings)>) -> Result<Exit> {
    let stop = shutdown::on_signals().context("cannot listen for signals")?;
    let keys = site.secrets.key_file.clone().unwrap_or_else(|| access_cmd::key_file(&args.home));
    access_cmd::install_keys(&keys)?;
    let servers = start_servers(args, site).await?;
    let replica = replica_name();
    let bus = site.connect_bus(&format!("ottwatch/up/{replica}")).await?;
    site.postgres.pool_size = site.postgres.pool_size.max(24);
    let store = site.open_store("ottwatch-up")?;
    let ended = run_services(args, site, settings, (&bus, &store, &servers), replica, stop).await;
    // Clients go before their servers: a connection that breaks is a warning.
    store.close();
    if let Err(error) = bus.close().await {
        tracing::warn!(error = telemetry::chain(&error), "the connection to the bus was not closed in order");
    }
    tokio::task::spawn_blocking(move || drop(servers)).await?;
    ended
}

async fn run_services(
    args: &UpArgs,
    site: &Site,
    settings: Vec<(Service, Settings)>,
    (bus, store, servers): (&Bus, &Store, &Servers),
    replica: String,
    stop: CancellationToken,
) -> Result<Exit> {
    store.migrate().await.context("cannot bring the schema of PostgreSQL up to date")?;
    bus.ensure_topology(&Limits::local()).await.context("cannot make the streams")?;

    let origin = if args.demo { Some(start_demo_origin().await?) } else { None };
    let exit = apply_files(args, store, bus, origin.as_ref()).await?;
    if exit != Exit::Ok {
        return Ok(exit);
    }
    let listener = listen(args.listen).await?;
    let addr = listener.local_addr()?;
    std::fs::create_dir_all(&args.home).with_context(|| format!("cannot make {}", args.home.display()))?;
    let (admin_token, token_file) =
        admin_token::of(&args.home).with_context(|| format!("cannot keep a token in {}", args.home.display()))?;
    let file = RunFile {
        pid: std::process::id(),
        nats: site.nats.url.clone(),
        postgres: site.postgres.dsn.clone(),
        api: format!("http://{addr}"),
        api_token_file: Some(token_file),
        origin: origin.as_ref().map(|o| o.url("")),
    };
    file.write(&args.home)?;

    let ops = Ops::default();
    let mut tasks: JoinSet<(&'static str, Result<()>)> = JoinSet::new();
    // The services end first; what prints alarms ends after them.
    let services_stop = CancellationToken::new();
    tokio::spawn(services::watch_bus(bus.clone(), ops.health.clone(), services_stop.clone()));
    let shared = Shared { bus: bus.clone(), store: Some(store.clone()), ops: ops.clone(), replica };
    let mut listener = Some(listener);
    for (service, mut settings) in settings {
        let (shared, token) = (shared.clone(), services_stop.clone());
        match (&mut settings, listener.take_if(|_| service == Service::Api)) {
            (Settings::Api(config), Some(listener)) => {
                let mut config = ow_api::ApiConfig::clone(config);
                config.with_ops = true;
                if config.token_sha256.is_empty() {
                    config.token_sha256 = ow_api::token_sha256(admin_token.reveal());
                    if addr.ip().is_loopback() {
                        config.anonymous = ow_api::Anonymous::Viewer;
                    }
                }
                let deps = ow_api::Deps { bus: bus.clone(), store: store.clone(), ops: ops.clone() };
                tasks.spawn(async move {
                    let ended = ow_api::serve(listener, config, deps, token).await;
                    (service.name(), ended.map_err(Into::into))
                });
                continue;
            }
            (Settings::Fetcher(config), _) => config.probe.clone_from(&args.probe),
            (Settings::Scheduler(config), _) => config.make_topology = false,
            (Settings::Notifier(config), _) if config.public_url.is_empty() => {
                config.public_url = format!("http://{addr}");
            }
            _ => {}
        }
        tasks.spawn(async move { (service.name(), services::run_one(settings, shared, token).await) });
    }
    let printer = tokio::spawn(print_alarms(bus.clone(), services_stop.clone()));
    announce(args, &file, servers);

    let exit = tokio::select! {
        () = stop.cancelled() => Exit::Ok,
        Some(ended) = tasks.join_next() => {
            match ended {
                Ok((name, Ok(()))) => eprintln!("{name} ended, which it never should"),
                Ok((name, Err(error))) => eprintln!("{name}: {error:#}"),
                Err(error) => eprintln!("a service broke down: {error}"),
            }
            Exit::Software
        }
    };
    services_stop.cancel();
    let drained = tokio::time::timeout(DRAIN, async { while tasks.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        eprintln!("not every service drained within {} s", DRAIN.as_secs());
    }
    let _ = printer.await;
    RunFile::remove(&args.home);
    if let Some(origin) = origin {
        origin.shutdown().await;
    }
    Ok(exit)
}

async fn start_servers(args: &UpArgs, site: &mut Site) -> Result<Servers> {
    let (home, want_nats, want_postgres) = (args.home.clone(), args.nats.is_none(), args.postgres.is_none());
    let servers = tokio::task::spawn_blocking(move || -> Result<Servers, ow_local::LocalError> {
        let nats = if want_nats { Some(LocalNats::start(NatsOptions::new(&home))?) } else { None };
        let postgres = if want_postgres { Some(LocalPostgres::start(PgOptions::new(&home))?) } else { None };
        Ok(Servers { nats, postgres })
    })
    .await??;
    if let Some(url) = servers.nats.as_ref().map(LocalNats::client_url).or_else(|| args.nats.clone()) {
        site.nats.url = url;
    }
    if let Some(dsn) = servers.postgres.as_ref().map(LocalPostgres::dsn).or_else(|| args.postgres.clone()) {
        site.postgres.dsn = dsn;
    }
    Ok(servers)
}

async fn start_demo_origin() -> Result<Origin> {
    let script = FaultScript::from_toml(DEMO_FAULTS).context("the demo script")?;
    let config = OriginConfig { script, ..OriginConfig::default() };
    ow_origin::start(config).await.context("cannot start the demo packager")
}

async fn apply_files(args: &UpArgs, store: &Store, bus: &Bus, origin: Option<&Origin>) -> Result<Exit> {
    let mut files = config_cmd::load_paths(&args.files)?;
    if let Some(origin) = origin {
        let text = DEMO.replace("{origin}", &origin.url("")).replace("{probe}", &args.probe);
        files.push(SourceFile { name: "demo.yaml".to_owned(), text });
    }
    if !is_probe_known(&args.probe, store, &files).await? {
        let text = format!("{{apiVersion: ottwatch/v1, kind: Probe, metadata: {{name: {}}}}}\n", args.probe);
        files.push(SourceFile { name: "--probe".to_owned(), text });
    }
    if files.is_empty() {
        return Ok(Exit::Ok);
    }
    let by = ChangedBy { actor: "up".to_owned(), source: "cli".to_owned() };
    Ok(config_cmd::apply_files(store, Some(bus), &files, ApplyOptions::default(), &by, &mut std::io::sink()).await)
}

/// Whether the probe that this process is has its document, stored or in the files. Without one no channel can name it.
async fn is_probe_known(probe: &str, store: &Store, files: &[SourceFile]) -> Result<bool> {
    let is_it = |object: &ConfigObject| object.kind == ConfigKind::Probe && object.name.as_str() == probe;
    let stored = store.load_config().await.context("cannot read the configuration")?;
    if stored.objects.iter().any(is_it) {
        return Ok(true);
    }
    // Files that cannot be read are told when they are applied.
    let documents = ow_config::read(files).unwrap_or_default();
    Ok(documents.iter().any(|document| is_it(&document.object)))
}

/// The wanted address, or the next port that is free.
async fn listen(wanted: SocketAddr) -> Result<TcpListener> {
    let mut addr = wanted;
    for step in 0..PORTS_TRIED {
        if wanted.port() != 0 {
            let Some(port) = wanted.port().checked_add(step) else { break };
            addr.set_port(port);
        }
        match TcpListener::bind(addr).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error).with_context(|| format!("cannot listen on {addr}")),
        }
    }
    anyhow::bail!("no free port from {wanted} on; name another with --listen, for example 127.0.0.1:0")
}

fn announce(args: &UpArgs, file: &RunFile, servers: &Servers) {
    let home = args.home.display();
    println!("ottwatch is up. Ctrl-C ends it.");
    println!("  REST      {}/api/v1/alarms?state=active   ({}/metrics)", file.api, file.api);
    println!("  NATS      {}{}", file.nats, if servers.nats.is_some() { "   (private)" } else { "" });
    if servers.postgres.is_some() {
        println!("  Postgres  psql \"{}\"   (private)", file.postgres);
    }
    println!("  data      {home}");
    if let Some(origin) = &file.origin {
        println!("  packager  {origin}/live/demo-news/ts/master.m3u8   (goes wrong every few minutes)");
    }
    // As it was called, so that the line can be pasted: `make run` calls target/debug/ottwatch.
    let program = std::env::args().next().unwrap_or_else(|| "ottwatch".to_owned());
    println!("  look      '{program}' tail --home '{home}' 'alert.>'   '{program}' alarms ls --home '{home}'");
    println!("Alarms:");
}

/// Prints each alarm as it is raised, changed or cleared.
async fn print_alarms(bus: Bus, stop: CancellationToken) {
    let Ok(mut tail) = bus.tail(&Subject::raw("alert.>")).await else { return };
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            message = tail.next() => match message {
                Some(message) => println!("{}", tail::line(&message, TailOutput::Text)),
                None => return,
            },
        }
    }
}
