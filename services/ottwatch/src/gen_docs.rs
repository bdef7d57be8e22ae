//! What the documents in the tree are generated from: the hidden command `ottwatch gen-docs`, for `cargo xtask gen`.
//!
//! Here and not in xtask: the binary links every service anyway, so xtask need not, and stays quick to build.

use anyhow::Result;
use ow_service::Exit;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::services::Service;
use crate::settings::{NatsSettings, PostgresSettings, SecretsSettings};

/// Prints one JSON object: `files` (path in the tree to text) and `sections` (section of the site file to its defaults).
pub fn main() -> Result<Exit> {
    println!("{}", document()?);
    Ok(Exit::Ok)
}

fn document() -> Result<Value> {
    let mut files = Map::new();
    for (name, text) in ow_checks::docs_markdown() {
        files.insert(format!("docs/checks/{name}"), text.into());
    }
    let openapi = serde_json::to_string_pretty(&ow_api::openapi())? + "\n";
    files.insert("schemas/openapi.json".to_owned(), openapi.into());
    let mib = ow_notifier::mib_text(ow_domain::receiver::DEFAULT_BASE_OID)?;
    files.insert("schemas/mib/OTTWATCH-MIB.txt".to_owned(), mib.into());
    let mut sections = Map::new();
    sections.insert("nats".to_owned(), defaults::<NatsSettings>()?);
    sections.insert("secrets".to_owned(), defaults::<SecretsSettings>()?);
    sections.insert("postgres".to_owned(), defaults::<PostgresSettings>()?);
    for service in Service::ALL {
        let defaults = match service {
            Service::Scheduler => defaults::<ow_scheduler::SchedulerConfig>()?,
            Service::Fetcher => defaults::<ow_fetcher::FetcherConfig>()?,
            Service::Validator => defaults::<ow_validator::ValidatorConfig>()?,
            Service::AlertRouter => defaults::<ow_alert_router::Config>()?,
            Service::Notifier => defaults::<ow_notifier::Config>()?,
            Service::Recorder => defaults::<ow_recorder::Config>()?,
            Service::Api => defaults::<ow_api::ApiConfig>()?,
        };
        sections.insert(service.name().to_owned(), defaults);
    }
    Ok(json!({"files": files, "sections": sections}))
}

/// By way of TOML, as the site file would say it: what is not set is absent.
fn defaults<T: Default + Serialize>() -> Result<Value> {
    Ok(serde_json::to_value(toml::Table::try_from(T::default())?)?)
}
