use ow_domain::Severity;
use ow_domain::capture::{ObjectKind, Protocol};

use crate::input::{MediaLoad, PastInit, mp4 as view};
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       Another EXT-X-MAP from one segment to the next, with another codec, timescale or tracks, and no EXT-X-DISCONTINUITY.
    /// Matters:       Players keep the decoder of the old section, or show nothing until they are restarted.
    /// Usual causes:  An encoder restart with another profile, a slate or advertisement spliced in without its tags.
    /// Stays quiet:   For a new EXT-X-MAP with equal parameters, which is how keys rotate, and where either was not read.
    id: "hls-map-changed-no-discontinuity", title: "EXT-X-MAP changes without a discontinuity", severity: Minor, hold: "EV",
    clear: "C1", since: "0.2", spec: [bis("4.4.4.3")], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    let is_listed = load.capture.object == ObjectKind::Segment && load.capture.protocol == Protocol::Hls;
    let Some(promised) = load.capture.promised.as_ref().filter(|p| is_listed && p.has_map != Some(false)) else {
        return;
    };
    let (Some(now), Some(before)) = (load.init, load.init_before) else {
        out.unknown();
        return;
    };
    if promised.discontinuity || view::segment(load).is_none() {
        out.unknown();
        return;
    }
    if now.digest.is_some() && now.digest == before.digest {
        out.pass();
        return;
    }
    let (old, new) = (parameters(before), parameters(now));
    if old.is_empty() || new.is_empty() {
        out.unknown();
        return;
    }
    if old == new {
        out.pass();
        return;
    }
    let (value, limit) = (new.join(", "), old.join(", "));
    let message =
        format!("EXT-X-MAP leads to {value} without EXT-X-DISCONTINUITY; {limit} as before, or the tag, expected");
    let mut at = out
        .fail(Severity::Minor, value, limit, message)
        .previous_digest(before.digest.as_deref())
        .fact("EXT-X-MAP", &now.url)
        .fact("EXT-X-MAP before", &before.url);
    if let Some(number) = load.number() {
        at = at.fact("segment number", number);
    }
    at.fact("segment", load.capture.exchange.url_without_query());
}

/// Codec and timescale of each track.
fn parameters(init: &PastInit) -> Vec<String> {
    let elementary = &init.facts.elementary;
    let of = |track: &ow_domain::facts::Mp4Track| {
        let found = elementary.iter().find(|e| e.id == track.id);
        let codec = found.and_then(|e| e.codec_string.clone()).unwrap_or_else(|| track.sample_entries.join("/"));
        format!("{codec} at {}", track.timescale)
    };
    view::tracks(init).iter().take(4).map(of).collect()
}
