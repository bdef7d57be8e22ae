use ow_domain::Severity;
use ow_domain::capture::BodyEnd;

use crate::input::Load;
use crate::outcome::Outcome;
use crate::registry::rfc;

crate::check! {
    /// Detects:       A body that ends before it is complete: short of Content-Length, without the last chunk, or reset.
    /// Matters:       Players get half a segment or half a playlist and stall or show broken pictures.
    /// Usual causes:  A packager that declares a length before writing ends, a proxy with a small buffer, a restarting load balancer.
    /// Stays quiet:   For one such answer in ten.
    id: "http-truncated-body", title: "Body ends early", severity: Major, hold: "H2/10", clear: "C10",
    since: "0.1", spec: [rfc("RFC 9112", "8")], input: Load, scope: Track, params: {},
}

fn run(load: &Load<'_>, _: &Params, out: &mut Outcome) {
    let Some(response) = load.response() else {
        out.unknown();
        return;
    };
    let how = match response.body_end {
        BodyEnd::Short => "the connection ended",
        BodyEnd::Reset => "the connection was reset",
        BodyEnd::BadEncoding => "the content coding broke off",
        BodyEnd::Complete if matches!(response.status, 200 | 206) => {
            out.pass();
            return;
        }
        _ => {
            out.unknown();
            return;
        }
    };
    if load.entry_failed && load.is_manifest() {
        out.unknown();
        return;
    }
    let value = format!("{} bytes", response.body_bytes);
    let limit = response.content_length.map_or_else(|| "a complete body".to_owned(), |n| format!("{n} bytes"));
    let message = format!("{} has {value} where {how}; {limit} expected", load.object_name());
    out.fail(Severity::Major, value, limit, message);
}
