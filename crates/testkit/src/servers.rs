//! One nats-server and one PostgreSQL per test process, started when first asked for.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock};

use anyhow::Context;
use ow_bus::{Bus, BusConfig, Limits, StreamPrefix};
use ow_local::{LocalNats, LocalPostgres, NatsOptions, PgOptions};
use ow_store::{Store, StoreConfig};

/// The shared nats-server. Kill and restart a server of your own ([`LocalNats::start`]) instead of this one, or others
/// in the same process will notice.
pub fn nats() -> MutexGuard<'static, LocalNats> {
    static NATS: OnceLock<Mutex<LocalNats>> = OnceLock::new();
    lock(NATS.get_or_init(|| {
        let nats = LocalNats::start(NatsOptions::new(process_home()));
        Mutex::new(nats.unwrap_or_else(|error| panic!("{error}")))
    }))
}

/// The shared PostgreSQL, tuned for speed, not for power cuts.
pub fn postgres() -> MutexGuard<'static, LocalPostgres> {
    static POSTGRES: OnceLock<Mutex<LocalPostgres>> = OnceLock::new();
    lock(POSTGRES.get_or_init(|| {
        let options = PgOptions {
            fast_tests: true,
            template: template().ok(),
            max_connections: 200,
            ..PgOptions::new(process_home())
        };
        let postgres = LocalPostgres::start(options);
        Mutex::new(postgres.unwrap_or_else(|error| panic!("{error}")))
    }))
}

/// A bus with all streams and buckets under a prefix that nobody else uses.
pub async fn test_bus() -> anyhow::Result<Bus> {
    let bus = Bus::connect(test_bus_config()).await.context("connect to the test server")?;
    bus.ensure_topology(&Limits::tests()).await.context("set up streams and buckets")?;
    Ok(bus)
}

/// How to reach the shared server under a new prefix. A second [`Bus::connect`] with a clone shares the prefix.
pub fn test_bus_config() -> BusConfig {
    let id = uuid::Uuid::new_v4().simple().to_string();
    let prefix = StreamPrefix::new(&format!("t{}", &id[..12])).unwrap_or_default();
    BusConfig::new(nats().client_url(), "ottwatch/test").with_prefix(prefix)
}

/// A migrated store in a schema that nobody else uses.
pub async fn test_store() -> anyhow::Result<Store> {
    let schema = format!("t{}", uuid::Uuid::new_v4().simple());
    let dsn = tokio::task::spawn_blocking(|| postgres().dsn()).await?;
    let store = Store::open(StoreConfig::new(dsn).schema(schema))?;
    store.migrate().await.context("migrate the test schema")?;
    Ok(store)
}

/// A panic of one test must not take the server from the others.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Holds the servers' data of this process. What earlier processes left is removed: a static is never dropped.
fn process_home() -> PathBuf {
    static HOME: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let base = base();
        for entry in fs::read_dir(&base).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let process = name.to_str().and_then(|n| n.strip_prefix("process-"));
            if process.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let home = base.join(format!("process-{}", std::process::id()));
        let _ = fs::remove_dir_all(&home);
        home
    };
    HOME.get_or_init(make).clone()
}

/// A folder of this user that the database's user may pass through.
fn base() -> PathBuf {
    let user = fs::metadata("/proc/self").map(|m| std::os::unix::fs::MetadataExt::uid(&m)).unwrap_or_default();
    let base = std::env::temp_dir().join(format!("ottwatch-tests-{user}"));
    let _ = fs::DirBuilder::new().mode(0o711).create(&base);
    let _ = fs::set_permissions(&base, fs::Permissions::from_mode(0o711));
    base
}

/// A data folder made once per machine and start of the programs; copied by every process.
fn template() -> anyhow::Result<PathBuf> {
    let version = ow_local::find_postgres(None)?.version;
    let path = base().join(format!("template-{version}"));
    LocalPostgres::make_template(&path)?;
    Ok(path)
}
