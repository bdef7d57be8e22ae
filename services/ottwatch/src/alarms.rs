//! `ottwatch alarms ls`.

use anyhow::{Context, Result};
use ow_domain::ChannelId;
use ow_service::Exit;
use ow_store::alarms::{IncidentFilter, IncidentState};
use ow_store::{Store, StoreConfig};

use crate::cli::{AlarmState, AlarmsLsArgs, TailOutput};
use crate::runfile;

pub async fn ls(args: &AlarmsLsArgs) -> Result<Exit> {
    let endpoints = runfile::endpoints(&args.connect)?;
    let store = Store::open(StoreConfig::new(endpoints.postgres)).context("cannot use PostgreSQL")?;
    let filter = IncidentFilter {
        state: match args.state {
            AlarmState::Active => Some(IncidentState::Open),
            AlarmState::Cleared => Some(IncidentState::Cleared),
            AlarmState::All => None,
        },
        severities: args.severity.clone(),
        channels: args.channel.as_deref().map(ChannelId::new).transpose().context("--channel")?.into_iter().collect(),
        limit: args.limit,
        ..IncidentFilter::default()
    };
    let page = store.list_incidents(&filter).await.context("cannot read the alarms")?;
    for row in &page.incidents {
        match args.output {
            TailOutput::Json => println!("{}", serde_json::to_string(row)?),
            TailOutput::Text => {
                let n = &row.notice;
                let over = row.cleared_at.map(|at| format!(", cleared {at}")).unwrap_or_default();
                println!(
                    "{} {:<8} {} [{} {}] since {}{over}",
                    row.number, row.severity, n.channel_name, n.check, n.subject, row.raised_at
                );
                println!("    {}", n.message);
            }
        }
    }
    if page.incidents.is_empty() && args.output == TailOutput::Text {
        println!("no alarms");
    }
    Ok(Exit::Ok)
}
