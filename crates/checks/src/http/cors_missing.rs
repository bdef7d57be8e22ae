use ow_domain::Severity;

use crate::input::Load;
use crate::outcome::Outcome;
use crate::registry::rfc;

crate::check! {
    /// Detects:       An answer to a request with Origin that no browser may use: no Access-Control-Allow-Origin that fits.
    /// Matters:       Web players get a network error without further reason.
    /// Usual causes:  A CDN rule for some paths only, an allow list without the new web site.
    /// Stays quiet:   Unless the template says web clients and sends an Origin header.
    id: "http-cors-missing", title: "Web players are not allowed", severity: Minor, hold: "H2", clear: "C2",
    since: "0.1", spec: [rfc("WHATWG Fetch", "3.2")], input: Load, scope: Track, params: {},
}

fn run(load: &Load<'_>, _: &Params, out: &mut Outcome) {
    let Some(origin) = load.cors_origin() else { return };
    let kind = load.capture.object.as_str();
    if load.response().is_none_or(|r| !matches!(r.status, 200 | 206)) {
        out.unknown().reason(kind);
        return;
    }
    let allowed = load.capture.exchange.header("access-control-allow-origin").map(str::trim);
    match allowed {
        Some(found) if found == "*" || found.eq_ignore_ascii_case(origin) => {
            out.pass().reason(kind);
        }
        found => {
            let value = found.map_or_else(|| "nobody".to_owned(), |f| f.chars().take(80).collect());
            let message = format!("a {} allows {value}; {origin} or * expected", load.object_name());
            let limit = format!("{origin} or *");
            out.fail(Severity::Minor, value, limit, message).reason(kind);
        }
    }
}
