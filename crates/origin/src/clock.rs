//! Wall-clock time for the packager, settable in tests so that they need no waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Where the origin takes its time from. Clones share one time.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// `None`: time only moves by [`Clock::advance`] and [`Clock::set`].
    running_since: Option<Instant>,
    /// Unix microseconds at `running_since`, or now.
    base_us: AtomicI64,
}

impl Clock {
    /// The machine's UTC at this moment, then running monotonically: a step of the system clock does not take a listed segment back.
    pub fn system() -> Clock {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock::running_from(now.as_micros() as i64)
    }

    /// Runs at the speed of tokio's time from `unix_us`: the normal one, unless a test has paused it.
    pub fn running_from(unix_us: i64) -> Clock {
        Clock(Arc::new(Inner { running_since: Some(Instant::now()), base_us: AtomicI64::new(unix_us) }))
    }

    /// Stands still at `unix_us` until it is moved.
    pub fn manual(unix_us: i64) -> Clock {
        Clock(Arc::new(Inner { running_since: None, base_us: AtomicI64::new(unix_us) }))
    }

    /// Unix time in microseconds.
    pub fn now_us(&self) -> i64 {
        let run = self.0.running_since.map_or(0, |t| t.elapsed().as_micros() as i64);
        self.0.base_us.load(Ordering::SeqCst) + run
    }

    /// Whether it runs by itself.
    pub(crate) fn is_running(&self) -> bool {
        self.0.running_since.is_some()
    }

    /// Moves the time forward.
    pub fn advance(&self, by: Duration) {
        self.0.base_us.fetch_add(by.as_micros() as i64, Ordering::SeqCst);
    }

    /// Sets the time, also backwards.
    pub fn set(&self, unix_us: i64) {
        self.0.base_us.fetch_add(unix_us - self.now_us(), Ordering::SeqCst);
    }
}
