use ow_domain::Severity;

use crate::input::{Load, Rejected};
use crate::outcome::Outcome;
use crate::registry::rfc;

crate::check! {
    /// Detects:       401 or 403 on the entry, or on all playlists or segments of a stream.
    /// Matters:       The probe sees nothing; players may be turned away too, or only the probe is.
    /// Usual causes:  An expired token in our own template, a geo block, a changed secret between packager and CDN.
    /// Stays quiet:   For one rendition of several, which http-status-manifest and http-status-segment tell.
    id: "http-auth-rejected", title: "Access is refused", severity: Major, hold: "H2", clear: "C1",
    since: "0.1", spec: [rfc("RFC 9110", "15.5.2"), rfc("RFC 9110", "15.5.4")], input: Load, scope: Stream, params: {},
}

fn run(load: &Load<'_>, _: &Params, out: &mut Outcome) {
    let kind = match load.capture.object {
        _ if load.is_entry => "entry",
        object if object.is_manifest() => "playlists",
        ow_domain::capture::ObjectKind::Segment => "segments",
        _ => return,
    };
    match (load.rejected, load.response()) {
        (Rejected::Everywhere(reason), Some(response)) if !load.entry_failed || load.is_entry => {
            let what = match reason {
                "entry" => "the entry",
                "playlists" => "every media playlist",
                _ => "every rendition's segments",
            };
            let value = response.status.to_string();
            let message = format!("{what} answers {value}; an answer to the probe's credentials expected");
            let limit = "an answer to the probe's credentials";
            out.fail(Severity::Major, value, limit, message)
                .reason(reason)
                .fact("cause", "indeterminate: the probe's token, a geo block, or the origin");
        }
        (Rejected::No, Some(response)) if response.status < 400 => {
            out.pass().reason(kind);
        }
        _ => {
            out.unknown().reason(kind);
        }
    }
}
