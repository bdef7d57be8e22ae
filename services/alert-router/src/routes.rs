//! Routes and receivers, as they are configured just now.

use std::sync::Arc;
use std::time::Duration;

use ow_alerting::Routes;
use ow_config::routes as read_routes;
use ow_service::{Health, Ops};
use ow_store::{CONFIG_CHANNEL, Listener, Notification, Store, StoreError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Not read yet: nothing may be routed, or alarms of the first seconds would be told to nobody.
pub type CurrentRoutes = watch::Receiver<Option<Arc<Routes>>>;

const PART: &str = "routes";

/// Keeps [`CurrentRoutes`] true.
#[derive(Debug)]
pub struct Follower {
    store: Store,
    health: Health,
    listener: Listener,
    interval: Duration,
    revision: Option<u64>,
    current: watch::Sender<Option<Arc<Routes>>>,
}

/// Starts to listen; [`Follower::run`] does the reading.
pub fn follow(store: &Store, ops: &Ops, interval: Duration) -> Result<(Follower, CurrentRoutes), StoreError> {
    let (current, routes) = watch::channel(None);
    let listener = store.listen(CONFIG_CHANNEL)?;
    ops.health.ill(PART, "not read yet");
    let health = ops.health.clone();
    Ok((Follower { store: store.clone(), health, listener, interval, revision: None, current }, routes))
}

impl Follower {
    /// Reads when told of a change and every `interval`, until `stop`. When Postgres is away the last routes stay.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut every = tokio::time::interval(self.interval);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = every.tick() => {}
                Some(note) = self.listener.recv() => match note {
                    Notification::Lost => {}
                    Notification::Said(kind) if matches!(kind.as_str(), "route" | "receiver") => {}
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
        let (routes, faults) = read_routes(&config.objects);
        for fault in &faults {
            tracing::error!(fault, "a route or receiver cannot be read and is left out");
        }
        match faults.first() {
            None => self.health.well(PART),
            Some(fault) => self.health.ill(PART, fault),
        }
        self.revision = Some(config.revision);
        self.current.send_if_modified(|current| {
            let is_new = current.as_deref() != Some(&routes);
            if is_new {
                tracing::info!(
                    revision = config.revision,
                    n_routes = routes.routes.len(),
                    n_receivers = routes.receivers.len(),
                    "routes are in use"
                );
                *current = Some(Arc::new(routes));
            }
            is_new
        });
        Ok(())
    }
}
