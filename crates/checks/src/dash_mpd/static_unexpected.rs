use ow_domain::policy::ChannelClass;
use ow_domain::{Severity, Span};

use crate::input::MpdLoad;
use crate::outcome::Outcome;
use crate::registry::{iso_dash, rfc};

crate::check! {
    /// Detects:       An MPD of type static on a channel that never ends, or on an event before its scheduled end.
    /// Matters:       Players take it for a recording: they stop asking for new MPDs and the stream ends for everybody.
    /// Usual causes:  An encoder that lost its input and closed cleanly, a packager that was stopped, a recording behind the live address.
    /// Stays quiet:   For one copy, and near or after the scheduled end of an event: dynamic to static is the legal ending.
    id: "dash-mpd-static-unexpected", title: "Live MPD says it has ended", severity: Critical, hold: "H2", clear: "C1",
    since: "0.1", spec: [iso_dash("5.3.1.2"), rfc("DASH-IF Live Timing Model", "end of live")], input: MpdLoad,
    scope: Stream, params: {
        end_slack_s: f64 = 300.0, "seconds before the scheduled end";
    },
}

fn run(load: &MpdLoad<'_>, params: &Params, out: &mut Outcome) {
    let Some(mpd) = load.mpd.filter(|_| load.is_complete()) else {
        out.unknown();
        return;
    };
    if mpd.is_dynamic() {
        out.pass();
        return;
    }
    let slack = Span::from_secs_f64(params.end_slack_s);
    let (severity, limit) = match (load.policy.class, load.policy.event_end) {
        (ChannelClass::Event, None) => (Severity::Info, "dynamic, or a scheduled end".to_owned()),
        (ChannelClass::Event, Some(end)) if load.capture.exchange.t_end >= end + -slack => {
            out.pass();
            return;
        }
        (ChannelClass::Event, Some(end)) => (Severity::Critical, format!("dynamic until {}", end + -slack)),
        (ChannelClass::Linear | ChannelClass::Fast | ChannelClass::Radio, _) => {
            (Severity::Critical, "dynamic".to_owned())
        }
    };
    let (value, line) = match mpd.presentation_type {
        Some(written) => ("static", written.at.line),
        None => ("static, by default", mpd.at.line),
    };
    out.fail(severity, value, &*limit, format!("line {line}: MPD@type is {value}; {limit} expected")).line(line);
}
