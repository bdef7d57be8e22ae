//! Whether the probe reaches anything: a name lookup and a TCP connection to each of several independent targets.

use std::time::Duration;

use ow_domain::Time;
use ow_domain::probe::ControlFacts;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};

use crate::clock::SteadyClock;

const EVERY: Duration = Duration::from_secs(5);
/// A target that does not answer within this has failed.
const TIMEOUT: Duration = Duration::from_secs(1);
/// A failed request waits for its explanation this long.
const PATIENCE: Duration = Duration::from_millis(1_500);

#[derive(Debug)]
pub(super) struct Control {
    targets: Vec<String>,
    rounds: watch::Sender<Option<ControlFacts>>,
    wanted: Notify,
}

impl Control {
    pub fn new(targets: Vec<String>) -> Self {
        Self { targets, rounds: watch::Sender::new(None), wanted: Notify::new() }
    }

    pub fn last(&self) -> Option<ControlFacts> {
        *self.rounds.borrow()
    }

    /// Goes round and round; without targets this never ends.
    pub async fn run(&self, clock: SteadyClock) {
        if self.targets.is_empty() {
            return std::future::pending().await;
        }
        loop {
            let round = self.round(clock).await;
            self.rounds.send_replace(Some(round));
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = self.wanted.notified() => {}
            }
        }
    }

    /// The first round that began at `since` or later; `None` without targets or when it takes too long.
    pub async fn after(&self, since: Time) -> Option<ControlFacts> {
        if self.targets.is_empty() {
            return None;
        }
        let mut rounds = self.rounds.subscribe();
        let wait = async {
            loop {
                if let Some(round) = rounds.borrow_and_update().filter(|round| round.at >= since) {
                    return Some(round);
                }
                self.wanted.notify_one();
                rounds.changed().await.ok()?;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.ok().flatten()
    }

    async fn round(&self, clock: SteadyClock) -> ControlFacts {
        let at = clock.now();
        let tries = self.targets.iter().map(|target| async move {
            matches!(tokio::time::timeout(TIMEOUT, TcpStream::connect(target.as_str())).await, Ok(Ok(_)))
        });
        let reached = futures_util::future::join_all(tries).await;
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let failed = reached.iter().filter(|reached| !**reached).count();
        ControlFacts { targets: count(self.targets.len()), failed: count(failed), at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_round_after_a_failure_says_who_is_cut_off() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (open_at, closed_at) = (listener.local_addr().unwrap(), closed.local_addr().unwrap());
        drop(closed);
        let clock = SteadyClock::start();
        let targets = vec![open_at.to_string(), closed_at.to_string(), "no-such-name.invalid:80".to_owned()];
        let control = Arc::new(Control::new(targets));
        let running = tokio::spawn({
            let control = control.clone();
            async move { control.run(clock).await }
        });
        let round = control.after(clock.now()).await.unwrap();
        assert_eq!((round.targets, round.failed), (3, 2));
        drop(listener);
        // The next regular round is seconds away: the failure asks for one.
        let since = clock.now();
        let round = control.after(since).await.unwrap();
        assert_eq!((round.targets, round.failed), (3, 3));
        assert!(round.at >= since && control.last() == Some(round));
        running.abort();
        assert_eq!(Control::new(vec![]).after(clock.now()).await, None);
    }
}
