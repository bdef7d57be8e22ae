//! The services as parts of a process: one alone, or all in one.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use ow_bus::Bus;
use ow_service::config::Problems;
use ow_service::{Exit, Health, Ops, ops, shutdown};
use ow_store::Store;
use tokio_util::sync::CancellationToken;

use crate::cli::ServiceArgs;
use crate::settings::{Site, replica_name};

/// The state of the connection is looked at this often.
const BUS_LOOK: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Scheduler,
    Fetcher,
    Validator,
    AlertRouter,
    Notifier,
    Recorder,
    Api,
}

impl Service {
    pub const ALL: [Self; 7] =
        [Self::Scheduler, Self::Fetcher, Self::Validator, Self::AlertRouter, Self::Notifier, Self::Recorder, Self::Api];

    /// Section of the site file, and name in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scheduler => "scheduler",
            Self::Fetcher => "fetcher",
            Self::Validator => "validator",
            Self::AlertRouter => "alert-router",
            Self::Notifier => "notifier",
            Self::Recorder => "recorder",
            Self::Api => "api",
        }
    }

    const fn needs_store(self) -> bool {
        matches!(self, Self::AlertRouter | Self::Notifier | Self::Recorder | Self::Api)
    }
}

/// The settings of one service, read and checked.
#[derive(Debug, Clone)]
pub enum Settings {
    Scheduler(ow_scheduler::SchedulerConfig),
    Fetcher(ow_fetcher::FetcherConfig),
    Validator(ow_validator::ValidatorConfig),
    AlertRouter(ow_alert_router::Config),
    Notifier(ow_notifier::Config),
    Recorder(ow_recorder::Config),
    Api(Box<ow_api::ApiConfig>),
}

impl Settings {
    pub fn read(service: Service, site: &Site) -> Result<Self, Problems> {
        let name = service.name();
        let (settings, problems) = match service {
            Service::Scheduler => {
                let config: ow_scheduler::SchedulerConfig = site.section(name)?;
                let problems = config.validate();
                (Self::Scheduler(config), problems)
            }
            Service::Api => {
                let config: ow_api::ApiConfig = site.section(name)?;
                let problems = config.validate();
                (Self::Api(Box::new(config)), problems)
            }
            Service::Fetcher => {
                let config: ow_fetcher::FetcherConfig = site.section(name)?;
                let problems = config.validate();
                (Self::Fetcher(config), problems)
            }
            Service::Validator => (Self::Validator(site.section(name)?), Vec::new()),
            Service::AlertRouter => (Self::AlertRouter(site.section(name)?), Vec::new()),
            Service::Notifier => (Self::Notifier(site.section(name)?), Vec::new()),
            Service::Recorder => (Self::Recorder(site.section(name)?), Vec::new()),
        };
        if problems.is_empty() { Ok(settings) } else { Err(Problems(problems)) }
    }
}

/// What every service of a process shares.
#[derive(Debug, Clone)]
pub struct Shared {
    pub bus: Bus,
    pub store: Option<Store>,
    pub ops: Ops,
    pub replica: String,
}

/// Runs one service until `stop`. `Err` when it ended of itself.
pub async fn run_one(settings: Settings, shared: Shared, stop: CancellationToken) -> Result<()> {
    let Shared { bus, store, ops, replica } = shared;
    let need = || store.clone().context("the service needs PostgreSQL");
    match settings {
        Settings::Scheduler(config) => ow_scheduler::run(config, ow_scheduler::Deps { bus, ops }, stop).await?,
        Settings::Fetcher(config) => ow_fetcher::run(config, ow_fetcher::Deps { bus, ops, replica }, stop).await?,
        Settings::Validator(config) => {
            ow_validator::run(config, ow_validator::Deps { bus, ops, replica }, stop).await?;
        }
        Settings::AlertRouter(config) => {
            let store = need()?;
            ow_alert_router::run(config, ow_alert_router::Deps { bus, store, ops, replica }, stop).await?;
        }
        Settings::Notifier(config) => {
            let store = need()?;
            ow_notifier::run(config, ow_notifier::Deps { bus, store, ops }, stop).await?;
        }
        Settings::Recorder(config) => {
            let store = need()?;
            ow_recorder::run(config, ow_recorder::Deps { bus, store, ops }, stop).await?;
        }
        Settings::Api(config) => {
            // A pool of its own, with short limits: who asks does not hold the pipeline up, nor the other way round.
            let store = need()?.for_use(ow_store::Use::Requests)?;
            ow_api::run(*config, ow_api::Deps { bus, store, ops }, stop).await?;
        }
    }
    Ok(())
}

/// `ottwatch <service>`: reads the configuration, connects, runs until a signal.
pub async fn main(service: Service, args: &ServiceArgs) -> Exit {
    let (site, settings) = match Site::read(args.config.as_deref(), &[service]) {
        Ok(read) => read,
        Err(problems) => {
            eprintln!("{problems}");
            return Exit::Config;
        }
    };
    if args.check_config {
        println!("{}: the configuration is right", service.name());
        return Exit::Ok;
    }
    let Some((_, settings)) = settings.into_iter().next() else { return Exit::Software };
    match serve(service, settings, &site, args.ops_listen).await {
        Ok(()) => Exit::Ok,
        Err(error) => {
            eprintln!("{}: {error:#}", service.name());
            Exit::Unavailable
        }
    }
}

/// Keeps the part `nats` of the health true: publishes wait while the bus does not answer.
pub async fn watch_bus(bus: Bus, health: Health, stop: CancellationToken) {
    loop {
        if bus.is_connected() {
            health.well("nats");
        } else {
            health.ill("nats", "the server does not answer; what is to be published waits");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(BUS_LOOK) => {}
        }
    }
}

async fn serve(service: Service, settings: Settings, site: &Site, ops_listen: SocketAddr) -> Result<()> {
    let stop = shutdown::on_signals().context("cannot listen for signals")?;
    match &site.secrets.key_file {
        Some(path) => crate::access_cmd::install_keys(path)?,
        None if matches!(service, Service::Api | Service::Notifier | Service::Fetcher) => {
            tracing::info!("secrets.key_file is not set: secrets of the configuration are not sealed");
        }
        None => {}
    }
    let ops = Ops::default();
    // Outlives the service, so that the end can be watched.
    let ops_stop = CancellationToken::new();
    let (addr, ops_task) = ops::serve(&ops, ops_listen, ops_stop.clone()).await?;
    tracing::info!(service = service.name(), %addr, "metrics and health");
    let replica = replica_name();
    let name = format!("ottwatch/{}/{replica}", service.name());
    let bus = tokio::select! {
        bus = site.connect_bus(&name) => bus?,
        () = stop.cancelled() => return Ok(()),
    };
    let store = if service.needs_store() {
        let store = site.open_store(&format!("ottwatch-{}", service.name()))?;
        store.migrate().await.context("cannot bring the schema of PostgreSQL up to date")?;
        Some(store)
    } else {
        None
    };
    if service != Service::Scheduler {
        // The scheduler makes streams and buckets; the others may not.
        bus.wait_for_topology(site.nats.connect_wait.0).await.context("start the scheduler first")?;
    }
    tokio::spawn(watch_bus(bus.clone(), ops.health.clone(), ops_stop.clone()));
    tracing::info!(service = service.name(), replica, "started");
    let ended = run_one(settings, Shared { bus: bus.clone(), store, ops, replica }, stop.clone()).await;
    if let Err(error) = bus.flush().await {
        tracing::warn!(%error, "not everything was flushed to the bus");
    }
    ops_stop.cancel();
    let _ = ops_task.await;
    ended
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use ow_bus::BusConfig;
    use ow_local::{LocalNats, NatsOptions};
    use ow_testkit::{DEADLINE, eventually};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    /// Status line and body of `/health/ready`.
    async fn ready(addr: SocketAddr) -> String {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(b"GET /health/ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn readiness_follows_the_server_as_it_goes_and_comes_back() {
        let home = tempfile::tempdir().unwrap();
        let nats = Mutex::new(LocalNats::start(NatsOptions::new(home.path())).unwrap());
        let config = BusConfig::new(nats.lock().unwrap().client_url(), "ottwatch/test");
        let bus = Bus::connect(config).await.unwrap();
        let (ops, stop) = (Ops::default(), CancellationToken::new());
        let (addr, served) = ops::serve(&ops, "127.0.0.1:0".parse().unwrap(), stop.clone()).await.unwrap();
        let watch = tokio::spawn(watch_bus(bus, ops.health.clone(), stop.clone()));
        let says = |status: &'static str| async move { ready(addr).await.starts_with(status) };

        eventually("ready with NATS", DEADLINE, || says("HTTP/1.1 200")).await;
        nats.lock().unwrap().kill();
        eventually("not ready without NATS", DEADLINE, || says("HTTP/1.1 503")).await;
        assert!(ready(addr).await.contains("nats"), "the part that is ill is named");
        nats.lock().unwrap().restart().unwrap();
        eventually("ready again", DEADLINE, || says("HTTP/1.1 200")).await;

        stop.cancel();
        watch.await.unwrap();
        served.await.unwrap();
    }
}
