//! What to do with a job, given what the receiver knows. Pure: the delivery contract in one place.
//!
//! A raise is told once, later changes of it are merged to the latest, and a clear is told if and only if a raise was
//! (or may have been).

use std::time::Duration;

use ow_domain::incident::{ChangeKind, DeliveryOutcome, NotifyJob};
use ow_domain::{Severity, Span, Time};
use ow_store::deliveries::DeliveryState;

use crate::error::FailureKind;
use crate::retry::Limits;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Send,
    /// It was dealt with before: say so again and be done.
    Repeat(DeliveryOutcome),
    /// Nothing to send. `closes`: nor of any earlier revision.
    Superseded {
        reason: &'static str,
        closes: bool,
    },
    /// The raise of this clear is not here yet.
    WaitForRaise,
    /// Too old to be told.
    Expired(String),
}

/// What else of the incident waits in this process for the same receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waiting {
    /// Highest raise or update.
    pub notice: u32,
    pub clear: bool,
}

/// Deliveries by the bus for which a clear waits for its raise, about a second each.
const WAITS_FOR_RAISE: u32 = 5;

pub fn decide(
    job: &NotifyJob,
    state: &DeliveryState,
    waiting: Waiting,
    min_severity: Severity,
    bus_attempt: u32,
    now: Time,
    limits: &Limits,
) -> Decision {
    let notice = &job.notice;
    if let Some(outcome @ (DeliveryOutcome::Delivered | DeliveryOutcome::Superseded)) = state.outcome {
        return Decision::Repeat(outcome);
    }
    let superseded = |reason, closes| Decision::Superseded { reason, closes };
    if state.closed_revision.is_some_and(|closed| notice.revision <= closed) {
        return superseded("the incident is closed at this receiver", false);
    }
    if notice.revision <= state.delivered_revision {
        return superseded("a later revision was delivered", false);
    }
    if notice.change == ChangeKind::Clear {
        return match () {
            () if !state.announced && state.seen_before == 0 && bus_attempt <= WAITS_FOR_RAISE => {
                Decision::WaitForRaise
            }
            () if !state.announced => superseded("its raise was never delivered here", true),
            () if now.since(state.first_at) > Span::from_std(limits.clear_for) && state.attempts > 0 => {
                Decision::Expired(format!(
                    "the clear could not be delivered for {} h",
                    limits.clear_for.as_secs() / 3600
                ))
            }
            () => Decision::Send,
        };
    }
    if state.seen_before > notice.revision || waiting.notice > notice.revision {
        return superseded("a later revision is on its way", false);
    }
    if waiting.clear && state.announced && notice.change == ChangeKind::Update {
        return superseded("the clear is on its way", false);
    }
    if notice.severity < min_severity && !state.announced {
        return superseded("below the receiver's min_severity", false);
    }
    match job.deadline {
        Some(deadline) if deadline < now => {
            Decision::Expired(format!("not delivered by its deadline, {}", crate::text::utc(deadline)))
        }
        _ => Decision::Send,
    }
}

/// What a failed attempt leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    Again(Duration),
    GiveUp,
}

/// `attempts`: made so far.
pub fn after_failure(
    job: &NotifyJob,
    kind: FailureKind,
    attempts: u32,
    first_at: Time,
    now: Time,
    limits: &Limits,
) -> AfterFailure {
    let clear = job.notice.change == ChangeKind::Clear;
    let wait = match kind {
        FailureKind::Refused => return AfterFailure::GiveUp,
        FailureKind::Throttled(wait) => wait,
        FailureKind::Transient => limits.back_off(attempts, clear),
        FailureKind::Settings => limits.back_off(attempts, clear).max(limits.settings_wait),
    };
    let wait = limits.with_jitter(wait, &format!("{}/{attempts}", job.idempotency_key()));
    let over = if job.is_test() {
        true
    } else if clear {
        now.since(first_at) > Span::from_std(limits.clear_for)
    } else {
        attempts >= limits.max_attempts || job.deadline.is_some_and(|d| now + Span::from_std(wait) > d)
    };
    if over { AfterFailure::GiveUp } else { AfterFailure::Again(wait) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use ow_domain::ReceiverId;
    use ow_domain::incident::{Notice, ReceiverKind};
    use ow_store::deliveries::Thread;

    fn state() -> DeliveryState {
        DeliveryState {
            delivered_revision: 0,
            seen_revision: 1,
            seen_before: 0,
            announced: false,
            closed_revision: None,
            thread: Thread::default(),
            outcome: None,
            detail: String::new(),
            attempts: 0,
            interrupted: false,
            first_at: sample::raise().at,
        }
    }

    fn job(notice: Notice) -> NotifyJob {
        NotifyJob { receiver: ReceiverId::new("noc").unwrap(), kind: ReceiverKind::Snmp, notice, deadline: None }
    }

    /// `expected`: `send`, `wait`, `repeat`, `expired`, `skip` or `skip+close`.
    fn check(
        name: &str,
        notice: Notice,
        change: impl FnOnce(&mut DeliveryState, &mut NotifyJob, &mut Waiting),
        expected: &str,
    ) {
        let (mut state, mut job, mut waiting) = (state(), job(notice), Waiting::default());
        change(&mut state, &mut job, &mut waiting);
        let now = sample::time("2026-11-22T10:00:00Z");
        let got = match decide(&job, &state, waiting, Severity::Warning, state.attempts + 1, now, &Limits::default()) {
            Decision::Send => "send",
            Decision::Repeat(_) => "repeat",
            Decision::Superseded { closes: false, .. } => "skip",
            Decision::Superseded { closes: true, .. } => "skip+close",
            Decision::WaitForRaise => "wait",
            Decision::Expired(_) => "expired",
        };
        assert_eq!(got, expected, "{name}");
    }

    #[test]
    fn the_delivery_contract() {
        use sample::{clear, raise, update};
        check("a raise", raise(), |_, _, _| {}, "send");
        check("it again", raise(), |s, _, _| s.outcome = Some(DeliveryOutcome::Delivered), "repeat");
        check("after a failed attempt", raise(), |s, _, _| s.outcome = Some(DeliveryOutcome::Deferred), "send");
        check("sent again by hand", raise(), |s, _, _| s.outcome = Some(DeliveryOutcome::Failed), "send");
        check("late raise", raise(), |s, _, _| s.delivered_revision = 2, "skip");
        check("raise with its update taken up", raise(), |s, _, _| s.seen_before = 2, "skip");
        check("raise with its update waiting", raise(), |_, _, w| w.notice = 2, "skip");
        check("raise with its clear waiting", raise(), |_, _, w| w.clear = true, "send");
        check("raise after the clear was found needless", raise(), |s, _, _| s.closed_revision = Some(3), "skip");
        check("too mild", raise(), |_, j, _| j.notice.severity = Severity::Indeterminate, "skip");
        check("stale", raise(), |_, j, _| j.deadline = Some(sample::raise().at), "expired");
        check("first update when the raise failed", update(), |s, _, _| s.seen_before = 1, "send");
        check(
            "milder update of what was told",
            update(),
            |s, j, _| (s.announced, j.notice.severity) = (true, Severity::Indeterminate),
            "send",
        );
        check("update with the clear waiting", update(), |s, _, w| (s.announced, w.clear) = (true, true), "skip");
        check("clear", clear(), |s, _, _| (s.announced, s.seen_before, s.delivered_revision) = (true, 2, 2), "send");
        check(
            "clear after a raise that may have arrived",
            clear(),
            |s, _, _| (s.announced, s.seen_before) = (true, 1),
            "send",
        );
        check("clear of a raise that failed", clear(), |s, _, _| s.seen_before = 1, "skip+close");
        check("clear before its raise", clear(), |_, _, _| {}, "wait");
        check("clear of a raise that never came", clear(), |s, _, _| s.attempts = 9, "skip+close");
        check(
            "clear after the deadline of a raise",
            clear(),
            |s, j, _| (s.announced, j.deadline) = (true, Some(sample::raise().at)),
            "send",
        );
        check(
            "clear that failed for days",
            clear(),
            |s, _, _| (s.announced, s.attempts, s.first_at) = (true, 300, sample::time("2026-11-20T00:00:00Z")),
            "expired",
        );
    }

    #[test]
    fn failures_are_tried_again_until_it_is_enough() {
        let limits = Limits::default();
        let now = sample::time("2026-11-22T10:00:00Z");
        let after =
            |job: &NotifyJob, kind, attempts| after_failure(job, kind, attempts, sample::raise().at, now, &limits);
        let raise = job(sample::raise());
        let clear = job(sample::clear());
        assert_eq!(after(&raise, FailureKind::Refused, 1), AfterFailure::GiveUp);
        assert!(
            matches!(after(&raise, FailureKind::Transient, 1), AfterFailure::Again(d) if d < Duration::from_secs(2))
        );
        assert!(
            matches!(after(&raise, FailureKind::Settings, 1), AfterFailure::Again(d) if d >= Duration::from_secs(24))
        );
        let throttled = FailureKind::Throttled(Duration::from_secs(90));
        assert!(matches!(after(&raise, throttled, 1), AfterFailure::Again(d) if d >= Duration::from_secs(90)));
        assert_eq!(after(&raise, FailureKind::Transient, limits.max_attempts), AfterFailure::GiveUp);
        assert!(matches!(after(&clear, FailureKind::Transient, 300), AfterFailure::Again(_)));
        let late = sample::time("2026-11-24T10:00:00Z");
        let given_up = after_failure(&clear, FailureKind::Transient, 300, sample::raise().at, late, &limits);
        assert_eq!(given_up, AfterFailure::GiveUp);
    }
}
