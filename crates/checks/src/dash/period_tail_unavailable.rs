use ow_domain::Severity;
use ow_domain::capture::ObjectKind;

use crate::input::Load;
use crate::outcome::Outcome;
use crate::registry::{op, rfc};

crate::check! {
    /// Detects:       The last segment of an ended Period that answers with an error, also when asked again.
    /// Matters:       Players stall at the end of the Period: the MPD promises more than there is.
    /// Usual causes:  A Period duration rounded up to whole segments, an ad shorter than its place, expired tokens of an ad server.
    /// Stays quiet:   For other segments (http-status-segment), and when the second try works.
    id: "dash-period-tail-unavailable", title: "End of a Period is not there", severity: Minor,
    hold: "EV, H3/10", clear: "C10", since: "0.1", spec: [rfc("DASH-IF Live Timing Model", "segment references"), op()],
    input: Load, scope: Stream, params: {},
}

const EXPECTED: &str = "200 or 206";

fn run(load: &Load<'_>, _: &Params, out: &mut Outcome) {
    let capture = load.capture;
    let promised = capture.promised.as_ref().filter(|_| capture.object == ObjectKind::Segment);
    let Some((promised, dash)) = promised.and_then(|p| Some((p, p.dash.as_ref().filter(|d| d.last_in_period)?))) else {
        return;
    };
    let Some(response) = load.response() else {
        out.unknown();
        return;
    };
    if response.status < 300 {
        out.pass();
        return;
    }
    if !capture.retry && !dash.gives_up {
        out.unknown();
        return;
    }
    let value = response.status.to_string();
    let period = dash.period.chars().take(24).collect::<String>();
    let message = format!("the last segment of Period {period} answers {value}; {EXPECTED} expected");
    out.fail(Severity::Minor, value, EXPECTED, message)
        .fact("segment number", promised.number.unwrap_or_default())
        .fact("time", dash.time)
        .fact("timescale", dash.timescale);
}
