use ow_domain::Span;
use ow_domain::capture::{FailureKind, Phase};

use super::host_severity;
use crate::input::Load;
use crate::outcome::Outcome;
use crate::registry::{has, rfc};

crate::check! {
    /// Detects:       A TLS handshake that fails: wrong name, expired, not yet valid or untrusted certificate, no common version.
    /// Matters:       Players refuse the connection; browsers show no picture at all.
    /// Usual causes:  A certificate that was not renewed or renewed on some nodes only, a missing intermediate, a wrong host name.
    /// Stays quiet:   For one failed handshake, and for "not yet valid" while the probe's own clock is in doubt.
    id: "http-tls-failure", title: "TLS handshake fails", severity: Critical, hold: "H2", clear: "C2",
    since: "0.1", spec: [rfc("RFC 9525", "6"), rfc("RFC 5280", "6"), has("1.23")], input: Load, scope: Host, params: {
        clock_doubt_s: f64 = 3600.0, "seconds of clock uncertainty";
    },
}

fn run(load: &Load<'_>, params: &Params, out: &mut Outcome) {
    let kind = match load.failure() {
        Some((Phase::Tls, kind)) => kind,
        Some((Phase::Body, _)) => {
            out.pass();
            return;
        }
        None if load.capture.exchange.origin.starts_with("https:") && load.connection_works() => {
            out.pass();
            return;
        }
        _ => {
            out.unknown();
            return;
        }
    };
    let clock_in_doubt =
        Span::from_micros(load.capture.clock_uncertainty_us) >= Span::from_secs_f64(params.clock_doubt_s);
    let depends_on_clock = matches!(kind, FailureKind::TlsExpired | FailureKind::TlsNotYetValid);
    if load.host_failure_counted || (depends_on_clock && clock_in_doubt) {
        out.unknown();
        return;
    }
    let (reason, found) = match kind {
        FailureKind::TlsNameMismatch => ("name", "a certificate for another name"),
        FailureKind::TlsExpired => ("expired", "an expired certificate"),
        FailureKind::TlsNotYetValid => ("not-yet-valid", "a certificate that is not yet valid"),
        FailureKind::TlsUntrusted => ("untrusted", "an untrusted or incomplete chain"),
        FailureKind::TlsVersion => ("version", "no common TLS version"),
        FailureKind::TlsAlert => ("alert", "a TLS alert"),
        FailureKind::TimedOut => ("timeout", "no handshake in time"),
        _ => ("handshake", "a broken handshake"),
    };
    let message = format!("{} answers with {found}; a valid certificate chain expected", load.capture.exchange.origin);
    out.fail(host_severity(load), found, "a valid certificate chain", message).reason(reason).fact("host", load.host());
}
