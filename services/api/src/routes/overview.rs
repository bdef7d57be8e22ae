//! `/api/v1/status`: how many channels are how well, and which probes watch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ow_bus::Bucket;
use ow_domain::config::{ConfigKind, ConfigObject};
use ow_domain::job::ProbeHeartbeat;
use ow_domain::{Severity, Time};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::objects::{now, problem_of_store, severity};
use crate::Shared;
use crate::http::{Caller, Problem, Query, schema};

/// The check that tells that the picture of a 4K channel is none.
const UHD_MISSING: &str = "ladder-uhd-missing";

pub fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default().routes(routes!(status))
}

/// The state of everything that who asks may see.
#[derive(Debug, Serialize, ToSchema)]
struct Overview {
    #[schema(schema_with = schema::time)]
    as_of: Time,
    channels: Channels,
    uhd: Uhd,
    probes: Vec<ProbeState>,
}

#[derive(Debug, Default, Serialize, ToSchema)]
struct Channels {
    total: usize,
    enabled: usize,
    /// Enabled channels by severity; those that nothing is heard of are indeterminate.
    by_severity: BTreeMap<&'static str, usize>,
}

/// Enabled channels that are agreed to be 4K.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Uhd {
    declared: usize,
    /// Nothing is known to be missing.
    delivered: usize,
    /// Offered or delivered smaller than agreed.
    missing: usize,
    /// Nothing is heard of them.
    unknown: usize,
}

#[derive(Debug, Serialize, ToSchema)]
struct ProbeState {
    name: String,
    region: Option<String>,
    /// It gives its channels to others.
    drain: bool,
    /// It gives signs of life.
    alive: bool,
    /// Channels it holds, and can hold.
    held: u32,
    slots: u32,
    /// Processes that give signs of life.
    replicas: usize,
}

/// Counts by severity, 4K channels and probes.
#[utoipa::path(
    get, path = "/api/v1/status", operation_id = "getStatus",
    responses((status = 200, description = "How it is.", body = Overview)),
    extensions(("x-permission" = json!("read"))),
)]
async fn status(
    State(shared): State<Arc<Shared>>,
    Caller(principal): Caller,
    query: Query,
) -> Result<Json<Overview>, Problem> {
    query.finish()?;
    let objects = shared.store.load_config().await.map_err(|error| problem_of_store(&error))?.objects;
    let heartbeats = shared.bus.kv::<ProbeHeartbeat>(Bucket::Probes).entries(">").await;
    let heartbeats: Vec<ProbeHeartbeat> =
        heartbeats.map_err(|error| Problem::unavailable(&error))?.into_iter().map(|entry| entry.value).collect();
    let verdicts = shared.status.all();
    let templates_with_uhd = templates_with_uhd(&objects);
    let mut channels = Channels::default();
    for severity in Severity::ALL {
        channels.by_severity.insert(severity.as_str(), 0);
    }
    let mut uhd = Uhd::default();
    for channel in objects.iter().filter(|o| o.kind == ConfigKind::Channel && principal.sees(&o.labels)) {
        channels.total += 1;
        if channel.spec["enabled"] == false {
            continue;
        }
        channels.enabled += 1;
        let verdict = verdicts.get(channel.name.as_str()).map(AsRef::as_ref);
        *channels.by_severity.entry(severity(verdict).as_str()).or_default() += 1;
        let of_template = || channel.spec["template"].as_str().is_some_and(|t| templates_with_uhd.contains(t));
        if channel.spec["overrides"]["ladder"]["uhd"].as_bool().unwrap_or_else(of_template) {
            uhd.declared += 1;
            match verdict {
                None => uhd.unknown += 1,
                Some(v) if v.conditions.iter().any(|c| c.check == UHD_MISSING) => uhd.missing += 1,
                Some(v) if v.severity == Severity::Indeterminate => uhd.unknown += 1,
                Some(_) => uhd.delivered += 1,
            }
        }
    }
    let probes = objects.iter().filter(|o| o.kind == ConfigKind::Probe).map(|probe| state(probe, &heartbeats));
    Ok(Json(Overview { as_of: now(), channels, uhd, probes: probes.collect() }))
}

fn state(probe: &ConfigObject, heartbeats: &[ProbeHeartbeat]) -> ProbeState {
    // A sign of life goes by itself when it is not given again.
    let own: Vec<&ProbeHeartbeat> = heartbeats.iter().filter(|h| h.probe.as_str() == probe.name.as_str()).collect();
    ProbeState {
        name: probe.name.to_string(),
        region: probe.spec["region"].as_str().map(str::to_owned),
        drain: probe.spec["drain"].as_bool().unwrap_or(false),
        alive: !own.is_empty(),
        held: own.iter().map(|h| h.held).sum(),
        slots: own.iter().map(|h| h.slots).sum(),
        replicas: own.len(),
    }
}

/// Templates that say 4K, also by what they extend.
fn templates_with_uhd(objects: &[ConfigObject]) -> BTreeSet<&str> {
    let templates: BTreeMap<&str, &ConfigObject> =
        objects.iter().filter(|o| o.kind == ConfigKind::Template).map(|o| (o.name.as_str(), o)).collect();
    let says = |name: &&str| {
        let mut next = Some(*name);
        // As long as templates may extend each other.
        for _ in 0..=ow_config::MAX_TEMPLATE_CHAIN {
            let Some(template) = next.and_then(|name| templates.get(name)) else { return false };
            if let Some(uhd) = template.spec["ladder"]["uhd"].as_bool() {
                return uhd;
            }
            next = template.spec["extends"].as_str();
        }
        false
    };
    templates.keys().copied().filter(says).collect()
}
