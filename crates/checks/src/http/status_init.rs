use ow_domain::Severity;
use ow_domain::capture::{ObjectKind, TrackKind};

use super::status_reason;
use crate::input::Load;
use crate::outcome::Outcome;
use crate::registry::{bis, rfc};

crate::check! {
    /// Detects:       An initialization section (EXT-X-MAP, DASH init segment) that answers with an error, also when asked again.
    /// Matters:       No segment of the rendition can be decoded without it.
    /// Usual causes:  Storage that lost the file, cleaning that took it for an old segment, a wrong path after a restart.
    /// Stays quiet:   When the second try works.
    id: "http-status-init", title: "Initialization section answers with an error", severity: Critical, hold: "H1",
    clear: "C1", since: "0.1", spec: [bis("4.4.4.5"), rfc("ISO/IEC 23009-1", "5.3.9.5.3")], input: Load, scope: Track,
    params: {},
}

const EXPECTED: &str = "200 or 206";

fn run(load: &Load<'_>, _: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Init {
        return;
    }
    let Some(response) = load.response() else {
        out.unknown();
        return;
    };
    if response.status < 300 {
        out.pass();
        return;
    }
    // The host means us, not players: self-rate-limited, http-auth-rejected.
    if !load.capture.retry || response.status == 429 || load.is_turned_away() {
        out.unknown();
        return;
    }
    let minor_track = load
        .capture
        .track
        .as_ref()
        .is_some_and(|t| matches!(t.kind, TrackKind::Audio | TrackKind::Text | TrackKind::Trick));
    let severity = if minor_track { Severity::Major } else { Severity::Critical };
    let value = response.status.to_string();
    let message = format!("the initialization section answers {value}, also when asked again; {EXPECTED} expected");
    out.fail(severity, value, EXPECTED, message).reason(status_reason(response.status));
}
