use ow_domain::Severity;
use ow_domain::capture::FailureKind;
use ow_domain::policy::ChannelClass;

use super::status_reason;
use crate::input::Load;
use crate::outcome::Outcome;
use crate::registry::{bis, rfc};

crate::check! {
    /// Detects:       A manifest or playlist that answers with an error status, or redirects without end.
    /// Matters:       Without the entry nobody can start; without a media playlist its rendition stops.
    /// Usual causes:  A packager that lost its channel, a wrong path after a change, an overloaded origin.
    /// Stays quiet:   For one error, for children of an entry that fails itself, and after the scheduled end of an event.
    id: "http-status-manifest", title: "Playlist answers with an error", severity: Major, hold: "H2", clear: "C2",
    since: "0.1", spec: [rfc("RFC 9110", "15"), bis("6.3.1")], input: Load, scope: Track, params: {},
}

const EXPECTED: &str = "200, 206 or 304";

fn run(load: &Load<'_>, _: &Params, out: &mut Outcome) {
    if !load.is_manifest() {
        return;
    }
    let event_over = load.policy.class == ChannelClass::Event
        && load.policy.event_end.is_some_and(|end| load.capture.exchange.t_end >= end);
    if load.entry_failed || event_over {
        out.unknown();
        return;
    }
    let (reason, value) = match (load.response(), load.failure()) {
        (Some(response), _) if matches!(response.status, 200 | 206 | 304) => {
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
            ("redirect", format!("{} redirects without an answer", load.capture.exchange.redirects.len()))
        }
        _ => {
            out.unknown();
            return;
        }
    };
    let severity = if load.is_entry { Severity::Critical } else { Severity::Major };
    let message = format!("{} answers {value}; {EXPECTED} expected", load.object_name());
    out.fail(severity, value, EXPECTED, message).reason(reason);
}
