use ow_domain::Severity;
use ow_domain::capture::{FailureKind, ObjectKind};

use super::status_reason;
use crate::input::Load;
use crate::outcome::Outcome;
use crate::registry::{bis, rfc};

crate::check! {
    /// Detects:       A segment that the playlist lists and that answers with an error, also when asked again.
    /// Matters:       Players stall, skip or give up at that place.
    /// Usual causes:  A packager that lists before it writes, storage that lost files, cleaning that runs too early.
    /// Stays quiet:   When the second try works, and for segments that the playlist marks as lost (EXT-X-GAP).
    id: "http-status-segment", title: "Listed segment answers with an error", severity: Major, hold: "H1", clear: "C3",
    since: "0.1", spec: [bis("6.2.1"), rfc("ISO/IEC 23009-1", "5.3.9.5.3")], input: Load, scope: Track, params: {
        critical_share: f64 = 0.5, "share of the last 10 segments over all renditions";
        critical_min_segments: f64 = 5.0, "segments";
    },
}

const EXPECTED: &str = "200 or 206";

fn run(load: &Load<'_>, params: &Params, out: &mut Outcome) {
    // One that has left the playlist is hls-segment-expired-early.
    let is_removed = load.capture.promised.as_ref().is_some_and(|p| p.removed.is_some());
    if load.capture.object != ObjectKind::Segment || is_removed {
        return;
    }
    let (reason, value) = match (load.response(), load.failure()) {
        (Some(response), _) if response.status < 300 => {
            out.pass();
            return;
        }
        // The host means us, not players: self-rate-limited, http-auth-rejected.
        (Some(response), _) if response.status == 429 || load.is_turned_away() => {
            out.unknown();
            return;
        }
        (Some(response), _) => (status_reason(response.status), response.status.to_string()),
        (None, Some((_, FailureKind::TooManyRedirects | FailureKind::RedirectLoop | FailureKind::BadRedirect))) => {
            ("redirect", "redirects without an answer".to_owned())
        }
        _ => {
            out.unknown();
            return;
        }
    };
    // The first failure decides nothing: the probe asks once more on a new connection.
    // The end of a Period that is not there has a check of its own: dash-period-tail-unavailable.
    if load.capture.promised.as_ref().and_then(|p| p.dash.as_ref()).is_some_and(|dash| dash.last_in_period) {
        out.unknown();
        return;
    }
    // The far end of the time shift buffer has a check of its own, too: dash-segment-expired-early.
    let of_window =
        load.capture.promised.as_ref().and_then(|p| p.dash.as_ref()).is_some_and(|d| d.time_shift_us.is_some());
    if load.capture.extra && of_window && matches!(load.response().map(|r| r.status), Some(404 | 410)) {
        out.unknown();
        return;
    }
    // A segment of DASH that is too early is asked for until it is certainly missing (dash-segment-late).
    let gave_up = load.capture.promised.as_ref().and_then(|p| p.dash.as_ref()).is_some_and(|dash| dash.gives_up);
    if !load.capture.retry && !gave_up {
        out.unknown();
        return;
    }
    let share = load.recent_segments;
    let most = share.n > 0 && share.n_failed as f64 >= params.critical_share * share.n as f64;
    let critical = most && share.n as f64 >= params.critical_min_segments;
    let severity = if critical { Severity::Critical } else { Severity::Major };
    let message = format!("a listed segment answers {value}, also when asked again; {EXPECTED} expected");
    let mut at = out
        .fail(severity, value, EXPECTED, message)
        .reason(reason)
        .fact("failed of the last segments", format!("{} of {}", share.n_failed, share.n))
        .shared(critical && share.n_failed_tracks > 1);
    if let Some(number) = load.capture.promised.as_ref().and_then(|p| p.number) {
        at = at.fact("segment number", number);
    }
    if let Some(promised) = &load.capture.promised {
        at.fact("listed for", crate::outcome::seconds(load.capture.exchange.t_req - promised.listed_at));
    }
}
