//! SNMP heartbeats: a station that hears nothing alarms by itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ow_domain::ReceiverId;
use ow_domain::receiver::{ReceiverSpec, SnmpSpec};
use ow_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::deliver::now;
use crate::metrics::Metrics;
use crate::receivers::Receivers;
use crate::snmp::TrapSender;
use crate::snmp::varbinds::{heartbeat, parse_oid};

const TICK: Duration = Duration::from_secs(1);

/// Sends heartbeats. Every notifier runs this; the store lets one of them send each.
pub struct Heartbeats {
    pub store: Store,
    pub receivers: Receivers,
    pub snmp: Arc<dyn TrapSender>,
    pub instance: String,
    pub metrics: Metrics,
}

impl Heartbeats {
    pub async fn run(&self, stop: CancellationToken) {
        let mut ask_at: HashMap<String, Instant> = HashMap::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(TICK) => {}
            }
            let table = self.receivers.all();
            ask_at.retain(|name, _| table.contains_key(name));
            for (name, spec) in table.iter() {
                let Ok(spec) = spec else { continue };
                let ReceiverSpec::Snmp(snmp) = spec.as_ref() else { continue };
                let due = ask_at.get(name).is_none_or(|at| *at <= Instant::now());
                if snmp.heartbeat_seconds == 0 || !due {
                    continue;
                }
                let interval = Duration::from_secs(u64::from(snmp.heartbeat_seconds));
                // Several notifiers ask about four times per interval; one of them gets it.
                ask_at.insert(name.clone(), Instant::now() + (interval / 4).max(TICK));
                let Ok(receiver) = ReceiverId::new(name) else { continue };
                match self.beat(&receiver, snmp, interval).await {
                    Ok(true) => drop(self.metrics.heartbeats.inc()),
                    Ok(false) => {}
                    Err(error) => tracing::warn!(receiver = name, error = error.chain(), "no heartbeat was claimed"),
                }
            }
        }
    }

    async fn beat(&self, receiver: &ReceiverId, spec: &SnmpSpec, interval: Duration) -> Result<bool, StoreError> {
        let Some(sequence) = self.store.claim_heartbeat(receiver, interval).await? else { return Ok(false) };
        let active = self.store.count_open_incidents().await?;
        for base in [Some(&spec.base_oid), spec.also_base_oid.as_ref()].into_iter().flatten() {
            let Some(base) = parse_oid(base) else { continue };
            let beat = heartbeat(&self.instance, active, spec.heartbeat_seconds, sequence, now(), &base);
            if let Err(error) = self.snmp.send(spec, &beat).await {
                tracing::warn!(%receiver, error = error.detail, "a heartbeat was not sent");
                return Ok(false);
            }
        }
        Ok(true)
    }
}
