//! What people do to an open alarm.

use ow_domain::incident::{ChangeKind, Notice};
use ow_domain::operation::{Ack, MAX_NOTE_CHARS, Operation, OperationKind, Suppression, SuppressionKind};
use ow_domain::{Severity, Span, Time};
use serde::{Deserialize, Serialize};

use crate::reassess::next;
use crate::{Change, Job, OpenAlarm};

/// Longest time on the shelf: one shift.
pub const MAX_SHELF: Span = Span::from_secs(8 * 3600);
/// Longest time of an acknowledgement with an end.
pub const MAX_ACK: Span = Span::from_secs(7 * 86_400);

/// What somebody wants done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Has it in hand: of somebody else's acknowledgement it becomes theirs. Ends when the alarm clears or gets worse,
    /// and at `until`.
    Ack {
        note: Option<String>,
        until: Option<Time>,
    },
    Unack {
        note: Option<String>,
    },
    Note {
        note: String,
    },
    /// Nobody is told of it until then, but its end is, to who knows of it.
    Shelve {
        note: String,
        until: Time,
    },
    Unshelve {
        note: Option<String>,
    },
    /// Over, whatever the checks say. When a check fails again after this it begins anew, marked as reopened.
    Resolve {
        note: String,
    },
}

impl Order {
    pub const fn kind(&self) -> OperationKind {
        match self {
            Self::Ack { .. } => OperationKind::Ack,
            Self::Unack { .. } => OperationKind::Unack,
            Self::Note { .. } => OperationKind::Note,
            Self::Shelve { .. } => OperationKind::Shelve,
            Self::Unshelve { .. } => OperationKind::Unshelve,
            Self::Resolve { .. } => OperationKind::Resolve,
        }
    }

    pub fn note(&self) -> Option<&str> {
        match self {
            Self::Ack { note, .. } | Self::Unack { note } | Self::Unshelve { note } => note.as_deref(),
            Self::Note { note } | Self::Shelve { note, .. } | Self::Resolve { note } => Some(note),
        }
    }

    pub const fn until(&self) -> Option<Time> {
        match self {
            Self::Ack { until, .. } => *until,
            Self::Shelve { until, .. } => Some(*until),
            _ => None,
        }
    }
}

/// Why an order is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("a note is needed: one to {MAX_NOTE_CHARS} characters")]
    NoteMissing,
    #[error("the note is longer than {MAX_NOTE_CHARS} characters")]
    NoteTooLong,
    #[error("the note has control characters besides line breaks and tabs")]
    NoteCharacters,
    #[error("the end, {until}, is not after now, {now}")]
    Past { until: Time, now: Time },
    #[error("the end, {until}, is too far away: at most until {latest}")]
    TooLong { until: Time, latest: Time },
    #[error("it is a record of severity info: nobody is told of it, so there is nothing to acknowledge or shelve")]
    OnlyRecorded,
}

/// What the order changes about the alarm. `None`: it is so already.
pub fn operate(alarm: &OpenAlarm, order: &Order, by: &str, now: Time) -> Result<Option<Change>, Refused> {
    check_note(order)?;
    if alarm.is_info() && !matches!(order, Order::Note { .. } | Order::Resolve { .. }) {
        return Err(Refused::OnlyRecorded);
    }
    let old = &alarm.notice;
    let mut notice = next(alarm, now);
    notice.operation = Some(Operation {
        kind: order.kind(),
        by: by.to_owned(),
        note: order.note().map(ToOwned::to_owned),
        until: order.until(),
    });
    match order {
        Order::Ack { note, until } => {
            if let Some(until) = until {
                check_until(*until, now, MAX_ACK)?;
            }
            if old.ack.as_ref().is_some_and(|ack| ack.by == by && ack.until == *until && ack.note == *note) {
                return Ok(None);
            }
            notice.ack = Some(Ack { by: by.to_owned(), at: now, note: note.clone(), until: *until });
        }
        Order::Unack { .. } => {
            if notice.ack.take().is_none() {
                return Ok(None);
            }
        }
        Order::Note { .. } => {}
        Order::Shelve { note, until } => {
            check_until(*until, now, MAX_SHELF)?;
            notice.suppressed.retain(|s| s.kind != SuppressionKind::Shelved);
            notice.suppressed.push(Suppression {
                kind: SuppressionKind::Shelved,
                by: by.to_owned(),
                until: Some(*until),
                note: Some(note.clone()),
            });
            notice.suppressed.sort();
        }
        Order::Unshelve { .. } => {
            let shelves = notice.suppressed.iter_mut().filter(|s| s.kind == SuppressionKind::Shelved);
            // Its time is over; who looks at the alarm next (see `reassess`) tells whom it concerns.
            let mut running = shelves.filter(|s| s.until.is_none_or(|u| u > now)).peekable();
            if running.peek().is_none() {
                return Ok(None);
            }
            running.for_each(|shelf| shelf.until = Some(now));
        }
        Order::Resolve { .. } => return Ok(Some(resolved(alarm, notice))),
    }
    // On the shelf it says so to those who know of it, then it is quiet.
    let quiet = !old.suppressed.is_empty();
    let jobs: Vec<Job> = match quiet {
        true => Vec::new(),
        false => alarm.told.iter().map(|r| Job { recipient: r.clone(), change: ChangeKind::Update }).collect(),
    };
    Ok(Some(Change {
        kind: ChangeKind::Update,
        incident: Some(alarm.incident),
        notice,
        told: alarm.told.clone(),
        jobs,
        indeterminate: alarm.indeterminate,
        owed: quiet && !alarm.told.is_empty(),
    }))
}

fn resolved(alarm: &OpenAlarm, mut notice: Notice) -> Change {
    notice.change = ChangeKind::Clear;
    notice.previous_severity = Some(alarm.severity());
    notice.severity = Severity::Cleared;
    notice.cleared_at = Some(notice.at);
    notice.clear_reason = Some(crate::FORCED.to_owned());
    Change {
        kind: ChangeKind::Clear,
        incident: Some(alarm.incident),
        notice,
        told: alarm.told.clone(),
        jobs: alarm.told.iter().map(|r| Job { recipient: r.clone(), change: ChangeKind::Clear }).collect(),
        indeterminate: false,
        owed: false,
    }
}

fn check_note(order: &Order) -> Result<(), Refused> {
    let needed = matches!(order, Order::Note { .. } | Order::Shelve { .. } | Order::Resolve { .. });
    match order.note() {
        Some(note) if note.chars().count() > MAX_NOTE_CHARS => Err(Refused::NoteTooLong),
        Some(note) if needed && note.trim().is_empty() => Err(Refused::NoteMissing),
        Some(note) if note.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) => {
            Err(Refused::NoteCharacters)
        }
        None if needed => Err(Refused::NoteMissing),
        _ => Ok(()),
    }
}

fn check_until(until: Time, now: Time, most: Span) -> Result<(), Refused> {
    if until <= now {
        return Err(Refused::Past { until, now });
    }
    let latest = now + most;
    if until > latest {
        return Err(Refused::TooLong { until, latest });
    }
    Ok(())
}
