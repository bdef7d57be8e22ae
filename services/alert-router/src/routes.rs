//! Routes, receivers, silences and maintenance windows, as they are configured just now.

use std::sync::Arc;
use std::time::Duration;

use ow_alerting::{Maintenance, Mutes, Routes, Silence};
use ow_service::{Health, Ops};
use ow_store::{CONFIG_CHANNEL, Listener, Notification, Store, StoreError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Who is told, and what is hidden just now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    pub routes: Routes,
    pub mutes: Mutes,
}

/// `None`: not read yet. Nothing may be routed then, or alarms of the first seconds would be told to nobody.
pub type CurrentRules = watch::Receiver<Option<Arc<Rules>>>;

const PART: &str = "routes";
/// Kinds of configuration that say who is told of what.
const KINDS: [&str; 5] = ["route", "receiver", "silence", "maintenance", "group"];
/// Silences begin and end with this precision.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(1);

/// Keeps [`CurrentRules`] true.
#[derive(Debug)]
pub struct Follower {
    store: Store,
    health: Health,
    listener: Listener,
    interval: Duration,
    revision: Option<u64>,
    configured: Configured,
    current: watch::Sender<Option<Arc<Rules>>>,
}

#[derive(Debug, Default)]
struct Configured {
    routes: Routes,
    silences: Vec<Silence>,
    maintenance: Vec<Maintenance>,
}

/// Starts to listen; [`Follower::run`] does the reading.
pub fn follow(store: &Store, ops: &Ops, interval: Duration) -> Result<(Follower, CurrentRules), StoreError> {
    let (current, rules) = watch::channel(None);
    let listener = store.listen(CONFIG_CHANNEL)?;
    ops.health.ill(PART, "not read yet");
    let health = ops.health.clone();
    let store = store.clone();
    let configured = Configured::default();
    Ok((Follower { store, health, listener, interval, revision: None, configured, current }, rules))
}

impl Follower {
    /// Reads when told of a change and every `interval`, until `stop`. When Postgres is away the last routes stay.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut every = tokio::time::interval(self.interval);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut clock = tokio::time::interval(LOOK_AT_CLOCK);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = every.tick() => {}
                _ = clock.tick(), if self.revision.is_some() => {
                    self.look_at_clock();
                    continue;
                }
                Some(note) = self.listener.recv() => match note {
                    Notification::Lost => {}
                    Notification::Said(kind) if KINDS.contains(&kind.as_str()) => {}
                    Notification::Said(_) => continue,
                }
            }
            let read = tokio::select! {
                () = stop.cancelled() => return,
                read = self.refresh() => read,
            };
            match read {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(error = %error.chain(), "routes were not read; the last ones stay");
                    self.health.ill(PART, error.chain());
                }
            }
        }
    }

    async fn refresh(&mut self) -> Result<(), StoreError> {
        if self.revision == Some(self.store.config_revision().await?) {
            return Ok(());
        }
        let config = self.store.load_config().await?;
        let (routes, mut faults) = ow_config::routes(&config.objects);
        let (silences, more) = ow_config::silences(&config.objects);
        faults.extend(more);
        let (maintenance, more) = ow_config::maintenance(&config.objects);
        faults.extend(more);
        for fault in &faults {
            tracing::error!(fault, "an object that says who is told cannot be read and is left out");
        }
        match faults.first() {
            None => self.health.well(PART),
            Some(fault) => self.health.ill(PART, fault),
        }
        self.revision = Some(config.revision);
        let (n_routes, n_receivers) = (routes.routes.len(), routes.receivers.len());
        self.configured = Configured { routes, silences, maintenance };
        if self.look_at_clock() {
            tracing::info!(
                revision = config.revision,
                n_routes,
                n_receivers,
                n_silences = self.configured.silences.len(),
                n_maintenance = self.configured.maintenance.len(),
                "rules are in use"
            );
        }
        Ok(())
    }

    /// What is in force by the clock. Returns whether that is new.
    fn look_at_clock(&self) -> bool {
        let Configured { routes, silences, maintenance } = &self.configured;
        let mutes = Mutes::at(silences, maintenance, crate::now());
        self.current.send_if_modified(|current| {
            let is_new = current.as_deref().is_none_or(|c| c.mutes != mutes || c.routes != *routes);
            if is_new {
                *current = Some(Arc::new(Rules { routes: routes.clone(), mutes }));
            }
            is_new
        })
    }
}
