//! Waiting for a condition, with a deadline: never for a time.

use std::future::Future;
use std::time::{Duration, Instant};

/// Long enough for a busy machine; a test that passes never waits for it.
pub const DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// Asks until `condition` is true; panics with `what` after `deadline`.
#[track_caller]
pub fn eventually<F, Fut>(what: &str, deadline: Duration, mut condition: F) -> impl Future<Output = ()>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    eventually_some(what, deadline, move || {
        let asked = condition();
        async move { asked.await.then_some(()) }
    })
}

/// Asks until `value` is there, and gives it; panics with `what` after `deadline`.
#[track_caller]
pub fn eventually_some<T, F, Fut>(what: &str, deadline: Duration, mut value: F) -> impl Future<Output = T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let caller = std::panic::Location::caller();
    let what = what.to_owned();
    async move {
        let start = Instant::now();
        loop {
            if let Some(value) = value().await {
                return value;
            }
            assert!(start.elapsed() < deadline, "{what}: not within {deadline:?} ({caller})");
            tokio::time::sleep(POLL).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[tokio::test]
    async fn a_condition_is_asked_until_it_holds() {
        let asked = Cell::new(0);
        eventually("the third time", DEADLINE, || async {
            asked.set(asked.get() + 1);
            asked.get() == 3
        })
        .await;
        assert_eq!(asked.get(), 3);
    }

    #[tokio::test]
    #[should_panic(expected = "pigs fly")]
    async fn what_never_comes_is_named() {
        eventually("pigs fly", Duration::from_millis(20), || async { false }).await;
    }
}
