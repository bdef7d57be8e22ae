use std::collections::BTreeMap;

use ow_domain::Severity;
use ow_hls::IssueFamily;

use crate::input::PlaylistStep;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       A byte range that cannot be read, has no start, or overlaps another range of the same file.
    /// Matters:       Players fetch the wrong bytes, or nothing.
    /// Usual causes:  A packager that counts bytes of a file it writes at the same time.
    /// Stays quiet:   For ranges of different files, for gaps between ranges, and for the same range listed twice.
    id: "hls-byterange-invalid", title: "Byte range cannot be used", severity: Major, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("4.4.4.2")], input: PlaylistStep, scope: Track, params: {},
}

fn run(input: &PlaylistStep<'_>, _: &Params, out: &mut Outcome) {
    let Some(playlist) = input.playlist.filter(|_| input.step.is_accepted()) else { return };
    if let Some(issue) = input.issues.iter().find(|i| i.kind.family() == IssueFamily::ByteRange) {
        let (value, limit) = (format!("{} ({})", issue.kind, issue.detail), "n@o");
        let message = format!("line {}: {value}; {limit} expected", issue.line);
        out.fail(Severity::Major, value, limit, message).line(issue.line);
        return;
    }
    let mut any = false;
    // File -> end of the last range, and that range.
    let mut ends: BTreeMap<&str, (u64, (u64, u64))> = BTreeMap::new();
    for segment in &playlist.segments {
        let Some(range) = segment.byte_range.filter(|r| r.length > 0) else { continue };
        any = true;
        let this = (range.offset, range.length);
        let end = range.offset.saturating_add(range.length);
        if let Some((before, last)) = ends.get(&*segment.uri)
            && range.offset < *before
            && end > last.0
            && *last != this
        {
            let (value, limit) = (format!("offset {}", range.offset), format!("{before} or more"));
            let message = format!("segment {} has {value} in {}; {limit} expected", segment.msn, segment.uri);
            let line = segment.line;
            out.fail(Severity::Major, value, limit, message).line(line).fact("segment", &segment.uri);
            return;
        }
        ends.insert(&segment.uri, (end, this));
    }
    if any {
        out.pass();
    }
}
