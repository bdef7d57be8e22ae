//! The connection pool and the schema version.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use tokio_postgres::{Client, NoTls};

use crate::StoreError;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// What connections are for: how long each may make others wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Use {
    /// Acting on messages: they wait in their streams meanwhile.
    #[default]
    Pipeline,
    /// Somebody waits for the answer to a request.
    Requests,
    /// Partitions, retention, migrations: long statements that give way to all others.
    Upkeep,
}

/// Limits that the server keeps for us, and the wait for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// How long to wait for a free or new connection.
    pub acquire: Duration,
    /// The server gives up a statement after this.
    pub statement: Duration,
    /// The same for the wait for a lock.
    pub lock: Duration,
    /// A transaction in which nothing is asked for so long is ended, with its connection.
    pub idle_in_transaction: Duration,
}

impl Use {
    pub const fn timeouts(self) -> Timeouts {
        let secs = Duration::from_secs;
        let (acquire, statement, lock, idle_in_transaction) = match self {
            Self::Pipeline => (secs(5), secs(10), secs(5), secs(60)),
            Self::Requests => (secs(2), secs(5), secs(3), secs(15)),
            Self::Upkeep => (secs(10), secs(900), secs(3), secs(60)),
        };
        Timeouts { acquire, statement, lock, idle_in_transaction }
    }
}

/// How to reach Postgres.
#[derive(Clone)]
pub struct StoreConfig {
    /// Key-value parameters (`host=/run/pg user=ottwatch dbname=ottwatch`) or a URL (`postgres://user@host/db`).
    /// May hold a password: never shown.
    pub params: String,
    /// Most connections at a time; who comes later waits for [`Timeouts::acquire`].
    pub pool_size: usize,
    /// Schema of all tables; made by [`Store::migrate`] when missing. `None`: the server's default (`public`).
    pub schema: Option<String>,
    pub timeouts: Timeouts,
    /// Shown in `pg_stat_activity`.
    pub application_name: String,
}

impl StoreConfig {
    /// 8 connections for the pipeline, no schema of its own.
    pub fn new(params: impl Into<String>) -> Self {
        Self {
            params: params.into(),
            pool_size: 8,
            schema: None,
            timeouts: Use::default().timeouts(),
            application_name: "ottwatch".to_owned(),
        }
    }

    #[must_use]
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    fn postgres(&self, timeouts: Timeouts) -> Result<tokio_postgres::Config, StoreError> {
        let mut config = tokio_postgres::Config::from_str(&self.params).map_err(|error| StoreError::Config {
            field: "params",
            // The value may hold a password.
            value: "(not shown)".to_owned(),
            reason: format!("is not a connection string ({error})"),
            example: "postgres://ottwatch@127.0.0.1:5432/ottwatch",
        })?;
        let mut options = config.get_options().map(|o| format!("{o} ")).unwrap_or_default();
        if let Some(schema) = &self.schema {
            check_schema(schema)?;
            options.push_str(&format!("-c search_path={schema} "));
        }
        options.push_str(&format!(
            "-c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout={} -c timezone=UTC",
            timeouts.statement.as_millis(),
            timeouts.lock.as_millis(),
            timeouts.idle_in_transaction.as_millis(),
        ));
        config.options(options.trim()).application_name(&self.application_name).connect_timeout(timeouts.acquire);
        let keepalive = Duration::from_secs(5);
        config.keepalives(true).keepalives_idle(keepalive).keepalives_interval(keepalive).keepalives_retries(3);
        config.tcp_user_timeout(Duration::from_secs(20));
        Ok(config)
    }
}

impl fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreConfig")
            .field("params", &"(not shown)")
            .field("pool_size", &self.pool_size)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

/// A schema name is written into statements that take no parameters.
fn check_schema(schema: &str) -> Result<(), StoreError> {
    let good = (1..=63).contains(&schema.len())
        && schema.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !schema.starts_with(|c: char| c.is_ascii_digit())
        && !schema.starts_with("pg_");
    if good {
        return Ok(());
    }
    Err(StoreError::Config {
        field: "schema",
        value: schema.chars().take(80).collect(),
        reason: "is not 1 to 63 of a-z, 0-9 and '_', starting with a letter".to_owned(),
        example: "ottwatch",
    })
}

/// The database. Cheap to clone; all clones share one pool.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    config: std::sync::Arc<StoreConfig>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Store {
    /// Checks the settings; connects when first used.
    pub fn open(config: StoreConfig) -> Result<Self, StoreError> {
        let manager = Manager::from_config(
            config.postgres(config.timeouts)?,
            NoTls,
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let pool = Pool::builder(manager)
            .max_size(config.pool_size.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(config.timeouts.acquire))
            .create_timeout(Some(config.timeouts.acquire))
            .recycle_timeout(Some(config.timeouts.acquire))
            .build()
            .map_err(|error| StoreError::Connect(Box::new(error)))?;
        Ok(Self { pool, config: config.into() })
    }

    /// The same database by a pool of its own, of the same size, with the limits of another use: who holds one pool up
    /// holds nobody up in the other.
    pub fn for_use(&self, other: Use) -> Result<Self, StoreError> {
        Self::open(StoreConfig { timeouts: other.timeouts(), ..StoreConfig::clone(&self.config) })
    }

    /// [`Self::open`], then waits until the server has answered once.
    pub async fn connect(config: StoreConfig) -> Result<Self, StoreError> {
        let store = Self::open(config)?;
        store.ping().await?;
        Ok(store)
    }

    /// One round trip.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.client().await?.simple_query("SELECT 1").await.map_err(StoreError::query("a ping"))?;
        Ok(())
    }

    /// A connection of the pool, given back when dropped.
    pub(crate) async fn client(&self) -> Result<Object, StoreError> {
        Ok(self.pool.get().await?)
    }

    /// Brings the schema to the version of this program. Several processes may call it at once: one works, the others
    /// wait for it. Returns how many migrations this call has applied.
    #[tracing::instrument(skip_all, fields(schema = self.config.schema.as_deref().unwrap_or("public")))]
    pub async fn migrate(&self) -> Result<usize, StoreError> {
        // The wait for the lock has no statement time-out, and the end of the connection frees the lock whatever happens.
        let without = Timeouts { statement: Duration::ZERO, lock: Duration::ZERO, ..Use::Upkeep.timeouts() };
        let (mut client, driver) = self.connection(without).await?;
        let lock = format!("ottwatch-migrate/{}", self.schema());
        client
            .execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", &[&lock])
            .await
            .map_err(StoreError::query("the migration lock"))?;
        if let Some(schema) = &self.config.schema {
            client
                .batch_execute(&format!("CREATE SCHEMA IF NOT EXISTS {schema}"))
                .await
                .map_err(StoreError::query("to make the schema"))?;
        }
        let mut runner = embedded::migrations::runner();
        runner.set_migration_table_name("schema_migration");
        let report = runner.run_async(&mut client).await.map_err(|error| StoreError::Migrate(Box::new(error)))?;
        for migration in report.applied_migrations() {
            tracing::info!(version = migration.version(), name = migration.name(), "migration applied");
        }
        match self.make_partitions_on(&mut client).await {
            // The table is in use; rows lie aside until the owner of the partitions comes by.
            Err(error) if error.is_retryable() => tracing::warn!(error = %error.chain(), "no partitions made yet"),
            made => drop(made?),
        }
        drop(client);
        drop(driver);
        Ok(report.applied_migrations().len())
    }

    /// How to connect besides the pool; for [`crate::Listener`].
    pub(crate) fn postgres_config(&self) -> Result<tokio_postgres::Config, StoreError> {
        self.config.postgres(self.config.timeouts)
    }

    /// A connection of its own, not of the pool, and what drives it.
    async fn connection(&self, timeouts: Timeouts) -> Result<(Client, DropGuard), StoreError> {
        let config = self.config.postgres(timeouts)?;
        let (client, connection) = config.connect(NoTls).await.map_err(|error| StoreError::Connect(Box::new(error)))?;
        let driver = DropGuard(tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection of its own ended");
            }
        }));
        Ok((client, driver))
    }

    /// A connection for long work, so that none of the pool is taken for it.
    pub(crate) async fn upkeep(&self) -> Result<(Client, DropGuard), StoreError> {
        self.connection(Use::Upkeep.timeouts()).await
    }

    /// Schema of the tables, for names of locks.
    pub(crate) fn schema(&self) -> &str {
        self.config.schema.as_deref().unwrap_or("public")
    }

    /// Gives all connections up. Calls after this fail.
    pub fn close(&self) {
        self.pool.close();
    }
}

/// Ends a connection's driver with its user.
pub(crate) struct DropGuard(pub(crate) tokio::task::JoinHandle<()>);

impl Drop for DropGuard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was released stays as it is: databases out there have it. The list grows with each release.
    #[test]
    fn released_migrations_are_not_edited() {
        let released = include_str!("../migrations/released.txt");
        let runner = embedded::migrations::runner();
        let lines: Vec<&str> = released.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(lines.len() >= 5, "the list only grows");
        for (line, n) in lines.into_iter().zip(1..) {
            let found = runner.get_migrations().iter().find(|m| u64::try_from(m.version()).is_ok_and(|v| v == n));
            let found = found.map(|m| format!("V{} {} {}", m.version(), m.name(), m.checksum())).unwrap_or_default();
            assert_eq!(found, line, "a released migration was edited; undo that and write a new one");
        }
    }

    #[test]
    fn settings_are_checked_and_never_shown_with_their_password() {
        let bad = Store::open(StoreConfig::new("host=/tmp bogus=1 password=geheim")).unwrap_err();
        assert!(!bad.chain().contains("geheim"), "{}", bad.chain());
        assert!(!bad.is_retryable());
        for schema in ["", "Ott", "a b", "a;drop", "1a", "pg_x"] {
            assert!(Store::open(StoreConfig::new("host=/tmp").schema(schema)).is_err(), "{schema:?}");
        }
        let config = StoreConfig::new("host=/tmp user=x password=geheim").schema("test_1");
        assert!(!format!("{config:?}").contains("geheim"));
        assert!(!format!("{:?}", Store::open(config).unwrap()).contains("geheim"));
    }
}
