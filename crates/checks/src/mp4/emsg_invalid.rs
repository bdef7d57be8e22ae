use ow_domain::Severity;
use ow_domain::capture::ObjectKind;
use ow_domain::facts::EventMessage;

use crate::input::MediaLoad;
use crate::input::mp4 as view;
use crate::outcome::Outcome;
use crate::registry::{cmaf, rfc};

crate::check! {
    /// Detects:       Event messages that cannot be read, lack scheme or timescale, come late, or change under one id.
    /// Matters:       Ad insertion and applications miss or repeat their cues.
    /// Usual causes:  An inserter with a clock of its own, ids that are used again, a box written after its fragment.
    /// Stays quiet:   For the same event repeated in the segments that follow, and for durations that are not known.
    id: "mp4-emsg-invalid", title: "Event message is not valid", severity: Minor, hold: "H2/10", clear: "C10", since: "0.1",
    spec: [rfc("ISO/IEC 23009-1", "5.10.3.3"), cmaf("7.4.5")], input: MediaLoad, scope: Track, params: {
        late_tol_s: f64 = 0.05, "seconds before the begin of the segment";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Segment {
        return;
    }
    let Some((facts, mp4)) = view::segment(load) else {
        out.unknown();
        return;
    };
    let unreadable = facts.issues.iter().any(|i| i.kind == "mp4-emsg-unreadable");
    if mp4.events.is_empty() && !unreadable {
        return;
    }
    let begin = facts.main().and_then(|m| m.seconds(m.first_pts?));
    let past = load.before.and_then(|b| b.facts.mp4.as_ref()).map_or(&[][..], |mp4| &mp4.events);
    let same = |a: &EventMessage, b: &EventMessage| (a.id, &a.scheme, &a.value) == (b.id, &b.scheme, &b.value);
    let fault = |(at, event): (usize, &EventMessage)| -> Option<(&'static str, String, &'static str)> {
        if event.scheme.is_empty() {
            return Some(("scheme", "an empty scheme".to_owned(), "a scheme_id_uri"));
        }
        if event.timescale == 0 {
            return Some(("timescale", "timescale 0".to_owned(), "more than 0"));
        }
        if event.after_fragment {
            return Some(("place", "a place after moof".to_owned(), "a place before it"));
        }
        let mut others = past.iter().chain(&mp4.events[..at]);
        if others.any(|other| same(other, event) && other.digest != event.digest) {
            return Some(("content", "another content under the same id".to_owned(), "the same"));
        }
        let repeated = past.iter().any(|other| same(other, event));
        let time = event.presentation_time.map(|t| t as f64 / f64::from(event.timescale));
        let late = begin.zip(time).map(|(begin, time)| begin - time).filter(|late| *late > params.late_tol_s);
        late.filter(|_| !repeated)
            .map(|late| ("late", format!("a time {late:.3} s before its segment"), "none earlier"))
    };
    let found = mp4.events.iter().enumerate().find_map(fault);
    let found =
        found.or_else(|| unreadable.then(|| ("unreadable", "fields that end early".to_owned(), "a whole emsg")));
    let Some((reason, value, limit)) = found else {
        out.pass();
        return;
    };
    let message = format!("an event message has {value}; {limit} expected");
    out.fail(Severity::Minor, value, limit, message).reason(reason);
}
