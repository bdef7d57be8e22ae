use ow_domain::Severity;

use crate::input::PlaylistStep;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       New segments marked EXT-X-GAP: the packager says that it has no content for them.
    /// Matters:       Viewers see a jump or a freeze for each of them.
    /// Usual causes:  Lost input, an encoder that was restarted, a write that failed.
    /// Stays quiet:   For segments without the mark; that their URIs answer with an error is legal and not asked.
    id: "hls-gap-segment", title: "Segments marked as lost", severity: Warning,
    hold: "warning EV -> minor@warning H2/10 -> major H1", clear: "C10", since: "0.1", spec: [bis("4.4.4.7")],
    input: PlaylistStep, scope: Track, params: { major_in_a_row: f64 = 3.0, "segments in a row"; },
}

fn run(input: &PlaylistStep<'_>, params: &Params, out: &mut Outcome) {
    let step = input.step;
    let Some(playlist) = input.playlist.filter(|_| step.is_accepted()) else { return };
    for segment in &step.new_segments {
        if !segment.gap {
            out.pass();
            continue;
        }
        let index = (segment.index as usize).min(playlist.segments.len().saturating_sub(1));
        let in_a_row =
            playlist.segments.get(..=index).unwrap_or_default().iter().rev().take_while(|s| s.gap.is_some()).count();
        let severity = if in_a_row as f64 >= params.major_in_a_row { Severity::Major } else { Severity::Warning };
        let value = format!("{in_a_row} in a row");
        let message = format!("segment {} is marked EXT-X-GAP, {value}; content expected", segment.msn);
        let line = playlist.segments.get(index).and_then(|s| s.gap).unwrap_or(0);
        out.fail(severity, value, "content", message).line(line).fact("segment", &segment.uri);
    }
}
