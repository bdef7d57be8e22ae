//! `ottwatch doctor`: is everything there that we need?

use std::time::Duration;

use ow_bus::{Bucket, Bus};
use ow_domain::job::ProbeHeartbeat;
use ow_domain::policy::ChannelPolicy;
use ow_service::Exit;
use ow_service::telemetry::chain;
use ow_store::{Store, StoreConfig};

use crate::cli::ConnectArgs;
use crate::runfile;

/// Prints one line per finding; failure when something is missing that is needed.
pub async fn main(args: &ConnectArgs) -> Exit {
    let mut n_bad = 0;
    let mut tell = |what: &str, found: Result<String, String>| match found {
        Ok(text) => println!("ok    {what}: {text}"),
        Err(text) => {
            n_bad += 1;
            println!("FAIL  {what}: {text}");
        }
    };
    let nats = ow_local::find_nats_server();
    tell("nats-server program", nats.map(|n| format!("{} {:?}", n.path.display(), n.version)).map_err(|e| chain(&e)));
    let postgres = ow_local::find_postgres(None);
    tell(
        "PostgreSQL programs",
        postgres.map(|p| format!("{} ({})", p.initdb().display(), p.version)).map_err(|e| chain(&e)),
    );
    match runfile::endpoints(args) {
        Err(error) => println!("-     running servers: {error}"),
        Ok(endpoints) => {
            let mut config = runfile::bus_config(args, endpoints.nats, "ottwatch/doctor");
            config.connect_wait = Duration::from_secs(5);
            match Bus::connect(config).await {
                Ok(bus) => {
                    tell("NATS", Ok(format!("version {}", bus.server_version())));
                    let wait = Duration::from_secs(2);
                    tell(
                        "streams and buckets",
                        bus.wait_for_topology(wait).await.map(|()| "all there".into()).map_err(|e| chain(&e)),
                    );
                    tell("probes", probes(&bus).await);
                }
                Err(error) => tell("NATS", Err(chain(&error))),
            }
            let store = Store::open(StoreConfig::new(endpoints.postgres)).map_err(|e| chain(&e));
            let reached = match store {
                Ok(store) => store
                    .load_config()
                    .await
                    .map(|c| format!("configuration revision {}", c.revision))
                    .map_err(|e| chain(&e)),
                Err(error) => Err(error),
            };
            tell("PostgreSQL", reached);
        }
    }
    if n_bad == 0 { Exit::Ok } else { Exit::Failure }
}

/// Every enabled channel needs a live probe.
async fn probes(bus: &Bus) -> Result<String, String> {
    let live = bus.kv::<ProbeHeartbeat>(Bucket::Probes).entries(">").await.map_err(|e| chain(&e))?;
    let policies = bus.kv::<ChannelPolicy>(Bucket::Config).entries(">").await.map_err(|e| chain(&e))?;
    let unwatched: Vec<String> = policies
        .iter()
        .map(|p| &p.value)
        .filter(|p| p.enabled && !p.probes.iter().any(|probe| live.iter().any(|l| l.value.probe == *probe)))
        .map(|p| p.channel.to_string())
        .collect();
    if unwatched.is_empty() {
        return Ok(format!("{} live, {} channels", live.len(), policies.len()));
    }
    Err(format!(
        "channels without a live probe: {}; start `ottwatch fetcher` with one of their probes",
        unwatched.join(", ")
    ))
}
