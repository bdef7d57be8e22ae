//! Lets time pass: one tick per partition at every wall second.

use std::time::Duration;

use futures_util::future::join_all;
use ow_bus::Bus;
use ow_domain::capture::Tick;
use ow_domain::{Partition, Time};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::reconcile::wall_clock;

/// A tick that is not acknowledged by then is left: the next one says more.
const DEADLINE: Duration = Duration::from_millis(950);

/// Seconds that passed while nobody could publish are not made up for: a tick says what time it is, not how many
/// seconds there were.
pub async fn run(bus: Bus, metrics: Metrics, stop: CancellationToken) {
    loop {
        let second = tokio::select! {
            () = stop.cancelled() => return,
            second = next_second() => second,
        };
        let at = Time::from_unix_micros(second.saturating_mul(1_000_000));
        let ticks: Vec<Tick> = Partition::all().map(|partition| Tick { partition, at }).collect();
        let published = join_all(ticks.iter().map(|tick| tokio::time::timeout(DEADLINE, bus.publish(tick)))).await;
        let mut n_lost = 0;
        for result in published {
            match result {
                Ok(Ok(_)) => drop(metrics.ticks.inc()),
                Ok(Err(error)) => {
                    n_lost += 1;
                    tracing::debug!(error = &error as &dyn std::error::Error, "a tick was not published");
                }
                Err(_) => n_lost += 1,
            }
        }
        if n_lost > 0 {
            metrics.ticks_lost.inc_by(n_lost);
            tracing::warn!(n_lost, second, "ticks were not acknowledged within their second");
        }
    }
}

/// Sleeps to the next whole second of the wall clock and tells it. Looks at the clock again after waking, as it may
/// have been set, and a timer may be early by its rounding.
async fn next_second() -> i64 {
    let start = wall_clock();
    let target = start.unix_seconds() + 1;
    loop {
        let now = wall_clock();
        // Also when the clock was set back meanwhile.
        if now.unix_seconds() >= target || now < start {
            return now.unix_seconds();
        }
        let rest = 1_000_000 - now.unix_micros().rem_euclid(1_000_000);
        tokio::time::sleep(Duration::from_micros(u64::try_from(rest).unwrap_or(1_000))).await;
    }
}
