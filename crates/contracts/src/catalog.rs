//! All messages, for the generated schemas and the AsyncAPI document.

use ow_domain::capture::{Capture, Tick};
use ow_domain::incident::{Delivery, NotifyJob};
use ow_domain::job::FetchJob;
use ow_domain::verdict::{Measures, Verdict};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};

use crate::message::Message;
use crate::messages::{ChannelIncident, DeadLetter, IncidentChange};

/// One row of the public contract.
pub struct Entry {
    /// CloudEvents type and schema file name.
    pub message_type: &'static str,
    /// Stream that holds it.
    pub stream: &'static str,
    /// Address below the root, with parameters in braces.
    pub address: &'static str,
    pub summary: &'static str,
    /// Who publishes, who consumes.
    pub from: &'static str,
    pub to: &'static str,
    pub schema: fn() -> Schema,
}

fn schema_of<M: Message + JsonSchema>() -> Schema {
    SchemaGenerator::new(SchemaSettings::draft2020_12()).into_root_schema_for::<M>()
}

macro_rules! entry {
    ($type:ty, $stream:literal, $address:literal, $from:literal -> $to:literal, $summary:literal) => {
        Entry {
            message_type: <$type as Message>::TYPE,
            stream: $stream,
            address: $address,
            summary: $summary,
            from: $from,
            to: $to,
            schema: schema_of::<$type>,
        }
    };
}

/// Every message that travels on the bus.
pub fn entries() -> Vec<Entry> {
    vec![
        entry!(FetchJob, "JOBS", "job.fetch.{probe}.{channel}", "scheduler" -> "fetcher", "Standing order to watch one channel from one probe."),
        entry!(Capture, "CAPTURES", "capture.{partition}.{channel}.{stream}.{kind}", "fetcher" -> "validator", "What a probe saw of one request."),
        entry!(Tick, "CAPTURES", "capture.{partition}.tick", "scheduler" -> "validator", "A second has passed."),
        entry!(Verdict, "VERDICTS", "verdict.{partition}.{channel}", "validator" -> "alert-router, recorder", "Everything that is wrong with one channel now."),
        entry!(Measures, "MEASURES", "measure.{channel}.{stream}", "validator" -> "recorder", "Numbers of one stream over a few seconds."),
        entry!(IncidentChange, "ALERTS", "alert.{severity}.{channel}", "alert-router" -> "integrators", "An incident was raised, changed or cleared."),
        entry!(ChannelIncident, "ALERTS", "incident.{event}", "alert-router" -> "api, integrators", "The same fact by kind of change."),
        entry!(NotifyJob, "NOTIFY", "job.notify.{kind}.{receiver}", "alert-router" -> "notifier", "Order to tell one receiver of one incident revision."),
        entry!(Delivery, "DELIVERIES", "delivery.{receiver}", "notifier" -> "api, integrators", "What became of a notify job."),
        entry!(DeadLetter, "DEAD", "dead.{stream}", "bus" -> "operators", "A message that could not be handled, with the reason."),
    ]
}
