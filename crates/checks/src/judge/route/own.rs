//! Reports of a probe about itself, and their absence.

use ow_domain::probe::{ProbeFacts, report};
use ow_domain::{ProbeId, Span, Time, TrackId};

use crate::alarms::Alarms;
use crate::input::{ProbeLoad, ProbeSilence};
use crate::judge::memory::Reports;
use crate::judge::run::{About, Runner};
use ow_domain::capture::Capture;

/// A fetcher whose channels others took over is no longer missed after this.
const REPLICA_GONE: Span = Span::from_secs(300);

/// Judges one report.
pub(crate) fn heard(
    reports: &mut Reports,
    alarms: &mut Alarms,
    run: &mut Runner<'_>,
    capture: &Capture,
    facts: &ProbeFacts,
) {
    reports.hear(facts, run.now());
    if facts.leaving {
        return;
    }
    let track = facts.track();
    let about = About { capture, track: Some(&track), tracks: &[] };
    run.checks(alarms, &about, &ProbeLoad { facts });
}

/// Judges silence, once a second. `since` is when the probe began to be expected.
pub(crate) fn silence(reports: &mut Reports, alarms: &mut Alarms, run: &mut Runner<'_>, probe: &ProbeId, since: Time) {
    let now = run.now();
    let nobody = if reports.replicas.is_empty() && !reports.ever { now - since } else { Span::ZERO };
    if let Some(capture) = report(probe, since, None) {
        let about = About { capture: &capture, track: None, tracks: &[] };
        run.checks(
            alarms,
            &about,
            &ProbeSilence { silent: nobody, held: None, taken_over: false, policy: run.policy() },
        );
    }
    let names: Vec<String> = reports.replicas.keys().cloned().collect();
    for name in names {
        let Some(replica) = reports.replicas.get(&name) else { continue };
        let (silent, heard_at) = (now - replica.heard_at, replica.heard_at);
        let (held, taken_over) = (Some(replica.held), reports.taken_over(&name, replica));
        let facts = ProbeFacts { held: replica.held, ..ProbeFacts::new(&name, heard_at) };
        let Some(capture) = report(probe, heard_at, Some(facts)) else { continue };
        if silent > REPLICA_GONE && (taken_over || held == Some(0)) {
            reports.replicas.remove(&name);
            continue;
        }
        let track = TrackId::from_text(&name);
        let about = About { capture: &capture, track: Some(&track), tracks: &[] };
        run.checks(alarms, &about, &ProbeSilence { silent, held, taken_over, policy: run.policy() });
    }
}
