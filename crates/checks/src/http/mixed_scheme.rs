use ow_domain::Severity;
use ow_domain::capture::ObjectKind;

use crate::input::Load;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       An entry on https whose playlists or segments are on plain http.
    /// Matters:       Browsers block mixed content: no picture at all on the web.
    /// Usual causes:  Absolute URLs written by a packager behind a TLS proxy.
    /// Stays quiet:   When the entry itself is on http, and for keys that are no http at all.
    id: "http-mixed-scheme", title: "https entry, http content", severity: Minor, hold: "H1", clear: "C1",
    since: "0.1", spec: [op()], input: Load, scope: Track, params: {},
}

fn run(load: &Load<'_>, _: &Params, out: &mut Outcome) {
    let capture = load.capture;
    let entry = load.policy.streams.iter().find(|s| s.stream == capture.stream);
    if load.is_entry || !entry.is_some_and(|s| s.url.starts_with("https:")) {
        return;
    }
    let kind = match capture.object {
        ObjectKind::Segment | ObjectKind::Part => "segment",
        ObjectKind::Init => "init",
        ObjectKind::Key => "key",
        _ => "playlist",
    };
    if capture.exchange.url.starts_with("http:") {
        let message = format!("the entry is on https, a {} on http; https expected", load.object_name());
        out.fail(Severity::Minor, "http", "https", message).reason(kind);
    } else {
        out.pass().reason(kind);
    }
}
