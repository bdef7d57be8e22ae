//! Between the values of `ow-alerting` and the rows of `ow-store`, which do not know each other.

use ow_alerting::{ChannelAlarms, Forced, OpenAlarm, Plan, Recipient};
use ow_domain::ChannelId;
use ow_domain::incident::NotifyJob;
use ow_store::alarms::{ChangeRecord, ChannelRecord, StepRecord, Told};

pub fn alarms_of(record: ChannelRecord) -> ChannelAlarms {
    let open = record.open.into_iter().map(|incident| {
        let told = incident.told.into_iter().map(|t| Recipient { receiver: t.receiver, kind: t.kind }).collect();
        let alarm = OpenAlarm {
            incident: incident.number,
            notice: incident.notice,
            told,
            indeterminate: incident.indeterminate,
            owed: incident.owed,
        };
        (alarm.notice.fingerprint.clone(), alarm)
    });
    let forced = record.forced.into_iter().map(|f| (f.fingerprint, Forced { incident: f.number, at: f.at }));
    ChannelAlarms { acted: record.acted, operations: record.operations, open: open.collect(), forced: forced.collect() }
}

pub fn record_of(channel: &ChannelId, plan: &Plan) -> StepRecord {
    let changes = plan.changes.iter().map(|change| ChangeRecord {
        number: change.incident,
        notice: change.notice.clone(),
        told: change.told.iter().map(|r| Told { receiver: r.receiver.clone(), kind: r.kind }).collect(),
        jobs: change
            .jobs
            .iter()
            .map(|job| NotifyJob {
                receiver: job.recipient.receiver.clone(),
                kind: job.recipient.kind,
                notice: change.notice_for(job),
                // Never dropped for its age: who gets the clear must have got the raise.
                deadline: None,
            })
            .collect(),
        publish: !change.is_info(),
        indeterminate: change.indeterminate,
        owed: change.owed,
    });
    StepRecord {
        channel: channel.clone(),
        before: plan.before,
        operations: plan.operations,
        advance: plan.advance,
        changes: changes.collect(),
        confirmations: plan.confirmations.iter().map(|c| (c.incident, c.indeterminate)).collect(),
        forgotten: plan.forgotten.clone(),
    }
}
