use ow_domain::Severity;
use ow_timeline::dash::MappingChange;

use crate::input::MpdStep;
use crate::outcome::Outcome;
use crate::registry::{iso_dash, rfc};

crate::check! {
    /// Detects:       A segment number that stands for other media than in the MPDs before.
    /// Matters:       Players fetch the wrong segments: they repeat or skip, and sound leaves the picture.
    /// Usual causes:  startNumber that does not follow the trimmed list, a packager restart inside a Period.
    /// Stays quiet:   With $Time$ in place of $Number$, and for old copies of the MPD.
    id: "dash-number-mapping-changed", title: "Segment numbers stand for other media", severity: Critical, hold: "H1",
    clear: "C1", since: "0.1", spec: [rfc("DASH-IF Live Timing Model", "segment references"), iso_dash("5.3.9.5")],
    input: MpdStep, scope: Stream, params: {},
}

fn run(input: &MpdStep<'_>, _: &Params, out: &mut Outcome) {
    if !input.step.is_accepted() {
        return;
    }
    let mut changed = input.step.tracks.iter().filter_map(|t| Some((t, t.mapping?)));
    let Some((track, change)) = changed.next() else {
        out.pass();
        return;
    };
    let n = 1 + changed.count();
    let (value, limit, what) = match change {
        MappingChange::Number { time, before, after } => {
            (format!("number {after}"), format!("number {before}"), format!("the segment at {time}"))
        }
        MappingChange::Computed { before, after } => {
            let text = |(start, duration): (u64, u64)| format!("startNumber {start} and duration {duration}");
            (text(after), text(before), "the template".to_owned())
        }
        MappingChange::Base => (
            "another timescale or presentationTimeOffset".to_owned(),
            "the values of the MPD before".to_owned(),
            "the template".to_owned(),
        ),
    };
    let message = format!("{what} of {} in Period {} has {value}; {limit} expected", track.track, clip(&track.period));
    out.fail(Severity::Critical, value, limit, message)
        .fact("renditions", n)
        .fact("timescale", track.timescale)
        .previous_digest(input.previous_digest);
}

/// A Period's name, short enough for a message.
fn clip(text: &str) -> String {
    text.chars().take(24).collect()
}
