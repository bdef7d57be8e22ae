use ow_domain::policy::ChannelClass;
use ow_domain::{Severity, Span};

use super::rendition;
use crate::input::PlaylistStep;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       EXT-X-ENDLIST on a channel that never ends, or on an event before its scheduled end.
    /// Matters:       Players stop asking for new segments: the stream ends for everybody who sees it.
    /// Usual causes:  An encoder that lost its input and closed cleanly, a packager that was stopped.
    /// Stays quiet:   For one copy, and near or after the scheduled end of an event.
    id: "hls-endlist-unexpected", title: "Live playlist says it has ended", severity: Critical, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("4.4.3.4")], input: PlaylistStep, scope: Stream, params: {
        end_slack_s: f64 = 300.0, "seconds before the scheduled end";
    },
}

fn run(input: &PlaylistStep<'_>, params: &Params, out: &mut Outcome) {
    let step = input.step;
    if !step.is_accepted() {
        return;
    }
    if !step.end_list.is_present() {
        // Another rendition may still say so.
        if input.ended_elsewhere {
            out.unknown()
        } else {
            out.pass()
        };
        return;
    }
    let slack = Span::from_secs_f64(params.end_slack_s);
    let (severity, limit) = match (input.policy.class, input.policy.event_end) {
        (ChannelClass::Event, None) => (Severity::Info, "a scheduled end".to_owned()),
        (ChannelClass::Event, Some(end)) if step.t_end >= end + -slack => {
            out.pass();
            return;
        }
        (ChannelClass::Event, Some(end)) => (Severity::Critical, format!("no end before {}", end + -slack)),
        (ChannelClass::Linear | ChannelClass::Fast | ChannelClass::Radio, _) => {
            (Severity::Critical, "no end".to_owned())
        }
    };
    let line = input.playlist.and_then(|p| p.end_list).unwrap_or(0);
    let message = format!("{} carries EXT-X-ENDLIST; {limit} expected", rendition(input));
    out.fail(severity, "EXT-X-ENDLIST", limit, message).line(line).fact("rendition", rendition(input));
}
