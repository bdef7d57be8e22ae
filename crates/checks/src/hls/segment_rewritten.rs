use ow_domain::Severity;
use ow_timeline::{ChangedField, Classification, SegmentChange};

use crate::input::PlaylistStep;
use crate::judge::memory::RewriteVerdict;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       A listed segment that is another one later: URI, duration, byte range, map, key, DISCONTINUITY or GAP.
    /// Matters:       Players that loaded the first form show a jump or fail to decode; caches hold both forms.
    /// Usual causes:  Two packagers writing one playlist, a restart that lists its window again, slate insertion after the fact.
    /// Stays quiet:   For queries (tokens) and hosts, removed parts and date ranges.
    id: "hls-segment-rewritten", title: "Listed segment was replaced", severity: Major, hold: "EV", clear: "C1",
    since: "0.1", spec: [bis("6.2.1")], input: PlaylistStep, scope: Track, params: {},
}

fn run(input: &PlaylistStep<'_>, _: &Params, out: &mut Outcome) {
    if let Classification::UriOnly { n_segments, .. } = input.step.classification {
        let value = format!("other URIs for {n_segments} segments");
        let message = format!("the playlist has {value} with equal durations; the URIs listed before expected");
        out.fail(Severity::Minor, value, "the URIs listed before", message)
            .reason("uri-only")
            .previous_digest(input.previous_digest);
        return;
    }
    for verdict in input.rewrites {
        tell(verdict, out);
    }
    for change in input.step.changes.iter().filter(|c| c.is_new) {
        let Some((reason, before, after)) = described(change) else { continue };
        // A lost segment that is marked so afterwards is against the letter, and still the honest thing to do.
        let marked_lost = matches!(change.field, ChangedField::Gap { after: true, .. });
        let severity = if marked_lost { Severity::Warning } else { Severity::Major };
        let message = format!("segment {} has {after} now; {before} as first listed expected", change.msn);
        let line = input
            .playlist
            .and_then(|p| p.segments.iter().find(|s| s.msn == change.msn))
            .map_or(0, |segment| segment.line);
        out.fail(severity, after, before, message)
            .reason(reason)
            .line(line)
            .fact("first listed", change.first_seen_end)
            .fact("segments changed", input.step.n_changes)
            .previous_digest(input.previous_digest);
    }
}

/// Reason, value before, value now. URI changes are told when their bytes are known.
fn described(change: &SegmentChange) -> Option<(&'static str, String, String)> {
    let flag = |name: &str, is: bool| if is { name.to_owned() } else { format!("no {name}") };
    let text = |name: &str, value: &str| if value.is_empty() { format!("no {name}") } else { short(name, value) };
    let (before, after) = match &change.field {
        ChangedField::Uri { .. } => return None,
        ChangedField::Extinf { before, after } => {
            (format!("EXTINF {}", exact_seconds(*before)), format!("EXTINF {}", exact_seconds(*after)))
        }
        ChangedField::ByteRange { before, after } => {
            let range = |r: &Option<ow_hls::ByteRange>| match r {
                Some(r) => format!("byte range {}@{}", r.length, r.offset),
                None => "no byte range".to_owned(),
            };
            (range(before), range(after))
        }
        ChangedField::Map { before, after } => (text("MAP", before), text("MAP", after)),
        ChangedField::Key { before, after } => (text("KEY", before), text("KEY", after)),
        ChangedField::Discontinuity { before, after } => {
            (flag("DISCONTINUITY", *before), flag("DISCONTINUITY", *after))
        }
        ChangedField::Gap { before, after } => (flag("GAP", *before), flag("GAP", *after)),
    };
    Some((change.field.as_str(), before, after))
}

fn short(name: &str, value: &str) -> String {
    let value = ow_domain::capture::printable_url(value);
    format!("{name} {}", tail(&value))
}

/// The last path element, at most 60 characters.
fn tail(uri: &str) -> String {
    let name = uri.rsplit('/').next().unwrap_or(uri);
    name.chars().take(60).collect()
}

fn tell(verdict: &RewriteVerdict, out: &mut Outcome) {
    let (severity, reason, what) = match verdict.bytes_changed {
        Some(true) => (Severity::Critical, "bytes", "other bytes"),
        Some(false) => (Severity::Minor, "uri-only", "the same bytes"),
        None => (Severity::Major, "uri", "unknown bytes"),
    };
    let (value, limit) = (tail(&verdict.after), tail(&verdict.before));
    let message = format!("segment {} is {value} now, with {what}; {limit} as first listed expected", verdict.msn);
    out.fail(severity, value, limit, message)
        .reason(reason)
        .fact("URI before", &verdict.before)
        .fact("URI now", &verdict.after);
}
