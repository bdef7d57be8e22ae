//! The site file: where the servers are, and a section per service.

use std::path::{Path, PathBuf};

use anyhow::Context;
use ow_bus::{Bus, BusConfig};
use ow_service::config::{self, Problem, Problems};
use ow_service::{HumanDuration, Secret};
use ow_store::{Store, StoreConfig};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::services::{Service, Settings};

/// `[nats]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NatsSettings {
    /// Server addresses, comma separated; without user and password.
    pub url: String,
    /// User of nats.conf; its password is in `password_file`.
    pub user: Option<String>,
    /// File with the password of `user`.
    pub password_file: Option<PathBuf>,
    /// PEM of the authority that signed the server's certificate, if no public one did.
    pub ca_file: Option<PathBuf>,
    /// How long the server may take to answer at the start.
    pub connect_wait: HumanDuration,
}

impl Default for NatsSettings {
    fn default() -> Self {
        Self {
            url: "nats://127.0.0.1:4222".to_owned(),
            user: None,
            password_file: None,
            ca_file: None,
            connect_wait: HumanDuration(Duration::from_secs(30)),
        }
    }
}

/// `[postgres]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PostgresSettings {
    /// Connection string without password.
    pub dsn: String,
    /// File with the password of the user in `dsn`.
    pub password_file: Option<PathBuf>,
    /// Schema of the tables; the server's default when absent.
    pub schema: Option<String>,
    /// Connections of this process.
    pub pool_size: usize,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        Self {
            dsn: "host=127.0.0.1 user=ottwatch dbname=ottwatch".to_owned(),
            password_file: None,
            schema: None,
            pool_size: 8,
        }
    }
}

/// `[secrets]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecretsSettings {
    /// File with the keys that secrets of the configuration are sealed with; made at the first start. The same on every
    /// machine that runs api, notifier or a fetcher. Without it such values are refused, and headers stored as they are.
    pub key_file: Option<PathBuf>,
}

/// A read site file and the environment.
#[derive(Debug, Clone)]
pub struct Site {
    file: (toml::Table, String),
    pub nats: NatsSettings,
    pub postgres: PostgresSettings,
    pub secrets: SecretsSettings,
}

impl Site {
    /// Reads the file and the sections of `services`; all problems are told together.
    pub fn read(path: Option<&Path>, services: &[Service]) -> Result<(Self, Vec<(Service, Settings)>), Problems> {
        let file = config::read_file(path)?;
        let mut problems = unknown_sections(&file);
        let nats = config::load("nats", &file, std::env::vars()).unwrap_or_else(|p| {
            problems.extend(p.0);
            NatsSettings::default()
        });
        let postgres = config::load("postgres", &file, std::env::vars()).unwrap_or_else(|p| {
            problems.extend(p.0);
            PostgresSettings::default()
        });
        let secrets = config::load("secrets", &file, std::env::vars()).unwrap_or_else(|p| {
            problems.extend(p.0);
            SecretsSettings::default()
        });
        let site = Self { file, nats, postgres, secrets };
        let mut read = Vec::new();
        for &service in services {
            match Settings::read(service, &site) {
                Ok(settings) => read.push((service, settings)),
                Err(p) => problems.extend(p.0),
            }
        }
        if problems.is_empty() { Ok((site, read)) } else { Err(Problems(problems)) }
    }

    /// The section of one service.
    pub fn section<T: DeserializeOwned + Serialize + Default>(&self, name: &str) -> Result<T, Problems> {
        config::load(name, &self.file, std::env::vars())
    }

    pub async fn connect_bus(&self, name: &str) -> anyhow::Result<Bus> {
        let nats = &self.nats;
        let mut config = BusConfig::new(nats.url.clone(), name);
        config.user = nats.user.clone();
        config.password_file = nats.password_file.clone();
        config.ca_file = nats.ca_file.clone();
        config.connect_wait = nats.connect_wait.0;
        Bus::connect(config).await.context("cannot use the NATS server")
    }

    pub fn open_store(&self, name: &str) -> anyhow::Result<Store> {
        let postgres = &self.postgres;
        let mut dsn = postgres.dsn.clone();
        if let Some(path) = &postgres.password_file {
            let password = Secret::from_file(path)?;
            let escaped = password.reveal().replace('\\', "\\\\").replace('\'', "\\'");
            dsn = format!("{dsn} password='{escaped}'");
        }
        let mut config = StoreConfig::new(dsn);
        config.pool_size = postgres.pool_size;
        config.schema = postgres.schema.clone();
        config.application_name = name.to_owned();
        Store::open(config).context("cannot use PostgreSQL")
    }
}

/// A section that nobody reads is a misspelt one.
fn unknown_sections(file: &(toml::Table, String)) -> Vec<Problem> {
    let mut known = vec!["nats", "postgres", "secrets"];
    known.extend(Service::ALL.map(Service::name));
    let unknown = file.0.iter().filter(|(name, _)| !known.contains(&name.as_str()));
    unknown
        .map(|(name, value)| Problem {
            origin: file.1.clone(),
            key: name.clone(),
            value: if value.is_table() { "a table" } else { "a value outside of any section" }.to_owned(),
            reason: format!("no such section, expected one of {}", known.join(", ")),
            example: Some("[fetcher]".to_owned()),
        })
        .collect()
}

/// A name for this process that no other has; a slug.
pub fn replica_name() -> String {
    format!("r{}", &uuid::Uuid::new_v4().simple().to_string()[..10])
}
