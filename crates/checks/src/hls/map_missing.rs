use ow_domain::Severity;
use ow_domain::capture::{ObjectKind, Protocol};
use ow_domain::facts::Container;

use crate::input::MediaLoad;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       Fragmented MP4 segments to which no EXT-X-MAP applies.
    /// Matters:       Without an initialization section no player can read them.
    /// Usual causes:  A playlist template for transport streams, a manipulator that dropped the tag with the segment before it.
    /// Stays quiet:   For transport streams, packed audio and WebVTT, which need none, and where the bytes do not tell.
    id: "hls-map-missing", title: "EXT-X-MAP missing", severity: Critical, hold: "H2", clear: "C1", since: "0.2",
    spec: [bis("3.1.2"), bis("4.4.4.5")], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    let is_listed = load.capture.object == ObjectKind::Segment && load.capture.protocol == Protocol::Hls;
    let Some(has_map) = load.capture.promised.as_ref().filter(|_| is_listed).and_then(|p| p.has_map) else { return };
    let Some(facts) = load.facts.filter(|f| !matches!(f.container, Container::Unknown | Container::Empty)) else {
        out.unknown();
        return;
    };
    if has_map || facts.container != Container::IsoBmff {
        out.pass();
        return;
    }
    let (value, limit) = ("no EXT-X-MAP", "an EXT-X-MAP before it");
    let message = format!("a fragmented MP4 segment has {value}; {limit} expected");
    let at = out.fail(Severity::Critical, value, limit, message);
    if let Some(number) = load.number() {
        at.fact("segment number", number);
    }
}
