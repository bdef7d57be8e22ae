//! What time and rules do to open alarms without any news of the channel: acknowledgements and shelves run out,
//! silences begin and end.

use ow_domain::incident::{ChangeKind, Notice};
use ow_domain::operation::{Operation, OperationKind, SYSTEM, Suppression, SuppressionKind};

use crate::{Change, ChannelAlarms, Context, Job, OpenAlarm, Plan};

/// Looks at every open alarm of a channel again. `None`: all is as it should be.
pub fn reassess(state: &ChannelAlarms, context: &Context<'_>) -> Option<Plan> {
    let changes: Vec<Change> = state.open.values().filter_map(|alarm| reassess_one(alarm, context)).collect();
    (!changes.is_empty()).then(|| Plan::standing(state, changes))
}

/// The change that is due, if one is.
pub(crate) fn reassess_one(alarm: &OpenAlarm, context: &Context<'_>) -> Option<Change> {
    if alarm.is_info() {
        return None;
    }
    let before = &alarm.notice;
    let suppressed = suppressions(before, alarm, context);
    let ack = before.ack.clone().filter(|ack| ack.until.is_none_or(|until| until > context.now));
    if suppressed == before.suppressed && ack == before.ack {
        return None;
    }
    let operation = |kind, by: &str, note| Some(Operation { kind, by: by.to_owned(), note, until: None });
    let mut notice = next(alarm, context.now);
    notice.operation = if suppressed == before.suppressed {
        operation(OperationKind::Unack, SYSTEM, Some("its time is over".to_owned()))
    } else if suppressed.is_empty() {
        operation(OperationKind::Unsuppress, SYSTEM, Some(named(&before.suppressed)))
    } else {
        operation(OperationKind::Suppress, SYSTEM, Some(named(&suppressed)))
    };
    notice.suppressed = suppressed;
    let told_of_ack = ack != before.ack;
    notice.ack = ack;
    Some(change(alarm, notice, told_of_ack, context))
}

/// What hides the alarm of this notice now: the rules, and its shelf until that is over.
pub(crate) fn suppressions(notice: &Notice, alarm: &OpenAlarm, context: &Context<'_>) -> Vec<Suppression> {
    let shelves = alarm.notice.suppressed.iter().filter(|s| s.kind == SuppressionKind::Shelved);
    let mut all: Vec<Suppression> = shelves.filter(|s| s.until.is_none_or(|u| u > context.now)).cloned().collect();
    all.extend(context.mutes.of(notice));
    all.sort();
    all
}

/// The notice of the next revision, before anything in it is changed.
pub(crate) fn next(alarm: &OpenAlarm, now: ow_domain::Time) -> Notice {
    let mut notice = alarm.notice.clone();
    notice.number = alarm.incident;
    notice.revision = notice.revision.saturating_add(1);
    notice.change = ChangeKind::Update;
    notice.previous_severity = None;
    notice.operation = None;
    notice.at = now.max(notice.at);
    notice
}

/// The change to `notice`, told to whom it is to be told. `news`: it says something that those who know of the alarm
/// must hear.
pub(crate) fn change(alarm: &OpenAlarm, notice: Notice, news: bool, context: &Context<'_>) -> Change {
    let mut told = alarm.told.clone();
    let mut jobs = Vec::new();
    let mut owed = alarm.owed || (news && !told.is_empty());
    if notice.suppressed.is_empty() {
        if owed {
            jobs.extend(told.iter().map(|r| Job { recipient: r.clone(), change: ChangeKind::Update }));
        }
        owed = false;
        // Whoever would have been told while it was hidden.
        if !alarm.notice.suppressed.is_empty() {
            let late: Vec<_> = context
                .routes
                .recipients(&notice)
                .into_iter()
                .filter(|recipient| alarm.told.iter().all(|t| t.receiver != recipient.receiver))
                .collect();
            jobs.extend(late.iter().map(|r| Job { recipient: r.clone(), change: ChangeKind::Raise }));
            told.extend(late);
        }
    }
    Change {
        kind: ChangeKind::Update,
        incident: Some(alarm.incident),
        notice,
        told,
        jobs,
        indeterminate: alarm.indeterminate,
        owed,
    }
}

fn named(suppressed: &[Suppression]) -> String {
    let names: Vec<String> = suppressed.iter().map(|s| format!("{} {}", s.kind, s.by)).collect();
    names.join(", ")
}
