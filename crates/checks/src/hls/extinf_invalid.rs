use ow_domain::Severity;
use ow_hls::{IssueFamily, IssueKind};

use crate::input::PlaylistStep;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       A duration that is no number, negative, zero, or written with more digits than a player can hold.
    /// Matters:       Players refuse the playlist, skip the segment or lose count of time.
    /// Usual causes:  A packager that prints raw floating point numbers, a segment closed before it began.
    /// Stays quiet:   For zero on a segment marked as GAP, and for a playlist that did not change the timeline.
    id: "hls-extinf-invalid", title: "Segment duration cannot be read", severity: Minor, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("4.4.4.1")], input: PlaylistStep, scope: Track, params: {},
}

fn run(input: &PlaylistStep<'_>, _: &Params, out: &mut Outcome) {
    let Some(playlist) = input.playlist else { return };
    let is_gap = |line: u32| playlist.segments.iter().any(|s| s.extinf_line == line && s.gap.is_some());
    let mut broken = input
        .issues
        .iter()
        .filter(|i| i.kind.family() == IssueFamily::Extinf)
        .filter(|i| !(i.kind == IssueKind::ExtinfZero && is_gap(i.line)));
    let Some(first) = broken.next() else {
        out.pass();
        return;
    };
    let unreadable = matches!(first.kind, IssueKind::ExtinfNotANumber | IssueKind::ExtinfNegative);
    let severity = if unreadable { Severity::Major } else { Severity::Minor };
    let (value, limit) = (format!("{} ({})", first.kind, first.detail), "a decimal number above zero");
    let message = format!("line {}: {value}; {limit} expected", first.line);
    out.fail(severity, value, limit, message).line(first.line).fact("breaches", 1 + broken.count());
}
