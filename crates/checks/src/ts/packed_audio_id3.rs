use ow_domain::capture::ObjectKind;
use ow_domain::facts::Container;
use ow_domain::{Severity, Span};

use super::{ticks_between, with_number};
use crate::input::MediaLoad;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       Packed audio segments without the ID3 timestamp, or whose timestamp does not go on.
    /// Matters:       Players cannot place the sound beside the picture.
    /// Usual causes:  A packager that leaves the tag out or restarts it, a raw file served as segments.
    /// Stays quiet:   For audio in fMP4 or transport streams, at the wrap, after discontinuities, and within 0.1 s.
    id: "ts-packed-audio-id3", title: "Timestamp of packed audio missing or wrong", severity: Major, hold: "H2/10",
    clear: "C10", since: "0.2", spec: [bis("3.1.3")], input: MediaLoad, scope: Track, params: {
        gap_tol_s: f64 = 0.1, "seconds";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let is_segment = load.capture.object == ObjectKind::Segment && load.is_whole() && !load.is_hidden();
    let Some(facts) = load.facts.filter(|f| is_segment && f.container == Container::PackedAudio) else { return };
    let Some(packed) = &facts.packed else {
        out.unknown();
        return;
    };
    let limit = "a timestamp of 33 bits in its first ID3 tag";
    let Some(timestamp) = packed.timestamp else {
        let value = if packed.has_id3 { "an ID3 tag without timestamp" } else { "no ID3 tag" };
        let message = format!("a packed audio segment has {value}; {limit} expected");
        with_number(load, out.fail(Severity::Major, value, limit, message).reason("missing"));
        return;
    };
    if timestamp >> 33 != 0 {
        let value = format!("timestamp {timestamp}");
        let message = format!("a packed audio segment has {value}; {limit} expected");
        with_number(load, out.fail(Severity::Major, value, limit, message).reason("range"));
        return;
    }
    let discontinuity = load.capture.promised.as_ref().is_none_or(|p| p.discontinuity);
    let before = load.before.filter(|b| !discontinuity && b.facts.container == Container::PackedAudio);
    let due = before.and_then(|b| b.facts.main()?.end_dts);
    let Some((due, now)) = due.zip(facts.main().and_then(|m| m.first_dts)) else {
        out.pass();
        return;
    };
    let by = Span::from_secs(1).mul_ratio(ticks_between(due, now), 90_000);
    let tolerance = Span::from_secs_f64(params.gap_tol_s);
    if by.abs() <= tolerance {
        out.pass();
        return;
    }
    let (value, limit) = (exact_seconds(by), exact_seconds(tolerance));
    let message = format!("packed audio begins {value} from the end of the segment before; within {limit} expected");
    with_number(load, out.fail(Severity::Major, value, limit, message).reason("jump"));
}
