//! Per receiver: one at a time, the worst first, not faster than it may be, and not at all while it is down.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// Who waits: the worst first, then who came first.
type Rank = (u8, Reverse<u64>);

/// All lanes of this process. A lane is never forgotten: there are as many as receivers.
#[derive(Default)]
pub struct Lanes(Mutex<HashMap<String, Arc<Lane>>>);

impl Lanes {
    pub fn get(&self, name: &str) -> Arc<Lane> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.entry(name.to_owned()).or_default().clone()
    }
}

/// One receiver (for Slack, one channel).
#[derive(Default)]
pub struct Lane(Mutex<State>);

#[derive(Default)]
struct State {
    taken: bool,
    arrivals: u64,
    waiting: BinaryHeap<Waiter>,
    /// The next message may leave then.
    next_at: Option<Instant>,
    /// The receiver failed: nothing is tried before.
    closed_until: Option<Instant>,
}

struct Waiter {
    rank: Rank,
    wake: oneshot::Sender<Turn>,
}

impl PartialEq for Waiter {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}
impl Eq for Waiter {}
impl PartialOrd for Waiter {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Waiter {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}

/// The right to send, until dropped.
pub struct Turn(Arc<Lane>);

impl Lane {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn, at most `patience`. Who has the higher `priority` overtakes. `Err`: come again after this.
    pub async fn turn(self: &Arc<Self>, priority: u8, patience: Duration) -> Result<Turn, Duration> {
        let mut wait = {
            let mut state = self.state();
            if let Some(left) = state.closed_for() {
                return Err(left);
            }
            if !state.taken {
                state.taken = true;
                return Ok(Turn(self.clone()));
            }
            state.arrivals += 1;
            let (wake, wait) = oneshot::channel();
            let rank = (priority, Reverse(state.arrivals));
            state.waiting.push(Waiter { rank, wake });
            wait
        };
        let turn = match tokio::time::timeout(patience, &mut wait).await {
            Ok(Ok(turn)) => turn,
            _ => match wait.try_recv() {
                Ok(turn) => turn,
                Err(_) => return Err(Duration::from_secs(1)),
            },
        };
        match self.state().closed_for() {
            Some(left) => Err(left),
            None => Ok(turn),
        }
    }

    fn pass_on(self: &Arc<Self>) {
        let mut state = self.state();
        let next = std::iter::from_fn(|| state.waiting.pop()).find(|w| !w.wake.is_closed());
        match next {
            Some(waiter) => {
                drop(state);
                // Dropped by a waiter that has just given up: its turn passes on by itself.
                let _ = waiter.wake.send(Turn(self.clone()));
            }
            None => state.taken = false,
        }
    }
}

impl State {
    fn closed_for(&self) -> Option<Duration> {
        self.closed_until.and_then(|until| until.checked_duration_since(Instant::now())).filter(|d| !d.is_zero())
    }
}

impl Turn {
    /// Waits until the pace allows one more message, and takes its place.
    pub async fn pace(&self, interval: Duration) {
        let at = {
            let mut state = self.0.state();
            let at = state.next_at.map_or_else(Instant::now, |at| at.max(Instant::now()));
            state.next_at = Some(at + interval);
            at
        };
        tokio::time::sleep_until(at.into()).await;
    }

    /// Nothing more is tried here for a while.
    pub fn close_for(&self, wait: Duration) {
        self.0.state().closed_until = Some(Instant::now() + wait);
    }

    pub fn open(&self) {
        self.0.state().closed_until = None;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.pass_on();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn the_worst_overtakes_and_equals_keep_their_order() {
        let lane = Lanes::default().get("noc");
        let first = lane.turn(0, LONG).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (n, priority) in [(1, 1), (2, 5), (3, 1), (4, 5)] {
            let (lane2, order) = (lane.clone(), order.clone());
            tasks.push(tokio::spawn(async move {
                let _turn = lane2.turn(priority, LONG).await.unwrap();
                order.lock().unwrap().push(n);
            }));
            while lane.state().waiting.len() < n {
                tokio::task::yield_now().await;
            }
        }
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [2, 4, 1, 3]);
        assert!(lane.turn(0, LONG).await.is_ok());
    }

    #[tokio::test]
    async fn a_closed_lane_sends_away_and_a_lost_waiter_does_not_block_it() {
        let lane = Lanes::default().get("noc");
        let turn = lane.turn(0, LONG).await.unwrap();
        assert!(lane.turn(0, Duration::ZERO).await.is_err());
        let waiting = tokio::spawn({
            let lane = lane.clone();
            async move { lane.turn(0, LONG).await.err() }
        });
        while lane.state().waiting.len() < 2 {
            tokio::task::yield_now().await;
        }
        turn.close_for(LONG);
        drop(turn);
        assert!(waiting.await.unwrap().unwrap() > Duration::from_secs(20));
        assert!(lane.turn(0, LONG).await.is_err());
        lane.state().closed_until = None;
        assert!(lane.turn(0, LONG).await.is_ok());
    }
}
