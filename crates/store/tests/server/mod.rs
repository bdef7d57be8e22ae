//! A real PostgreSQL of its own for each test.

use std::time::Duration;

use ow_local::{LocalPostgres, PgOptions};
use ow_store::{Store, StoreConfig};

pub struct Server {
    pub postgres: LocalPostgres,
    _home: tempfile::TempDir,
}

impl Server {
    pub fn start() -> Self {
        Self::with(true)
    }

    /// One that keeps what was committed when it is killed.
    #[allow(dead_code, reason = "not every test file kills")]
    pub fn durable() -> Self {
        Self::with(false)
    }

    fn with(fast_tests: bool) -> Self {
        let home = tempfile::tempdir().unwrap();
        let options = PgOptions { fast_tests, ..PgOptions::new(home.path()) };
        Self { postgres: LocalPostgres::start(options).unwrap(), _home: home }
    }

    pub fn open(&self) -> Store {
        Store::open(StoreConfig::new(self.postgres.dsn()).schema("test")).unwrap()
    }

    pub async fn migrated(&self) -> Store {
        let store = self.open();
        store.migrate().await.unwrap();
        store
    }
}

/// Waits until `probe` gives something.
#[allow(dead_code, reason = "not every test file waits")]
pub async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let end = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < end, "not within 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
