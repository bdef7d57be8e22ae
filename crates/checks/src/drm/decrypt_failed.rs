use ow_domain::capture::{ObjectKind, Protocol};
use ow_domain::facts::{Container, DecryptedStart};
use ow_domain::{Severity, Span};

use crate::input::MediaLoad;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       Segments of METHOD=AES-128 that the key of the playlist does not decrypt to media with right padding.
    /// Matters:       Nothing plays, or every segment begins with an error of its first packet.
    /// Usual causes:  Another key in the packager than on the key server, an initialization vector that counts from another number.
    /// Stays quiet:   Without the key, and where the key was fetched long before the segment: it may have changed since.
    id: "drm-decrypt-failed", title: "Segment cannot be decrypted", severity: Critical, hold: "H2/10", clear: "C3",
    since: "0.3", spec: [bis("5.2")], input: MediaLoad, scope: Track, params: {
        key_age_max_s: f64 = 20.0, "seconds, of a key that fails";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let method = load.capture.promised.as_ref().and_then(|p| p.key_method.as_deref());
    if load.capture.object != ObjectKind::Segment || load.capture.protocol != Protocol::Hls || method != Some("AES-128")
    {
        return;
    }
    // What can be read without a key is told by drm-encryption-state-mismatch and http-body-not-media.
    let facts = load.facts.filter(|f| f.container == Container::Unknown && load.is_whole());
    let Some(found) = facts.and_then(|facts| facts.decrypted) else {
        out.unknown();
        return;
    };
    let (reason, value, limit) = match (found.start, found.padding) {
        (DecryptedStart::Media, true) => {
            out.pass();
            return;
        }
        (DecryptedStart::AllButFirstBlock, true) => {
            ("iv", "16 wrong bytes at its begin", "the initialization vector of the playlist")
        }
        (DecryptedStart::Media, false) => ("padding", "no padding at its end", "padding of PKCS #7"),
        (DecryptedStart::AllButFirstBlock | DecryptedStart::Unreadable, _) => ("key", "no media in it", "media"),
    };
    let age = Span::from_micros(found.key_age_us);
    if age > Span::from_secs_f64(params.key_age_max_s) {
        out.unknown();
        return;
    }
    let message = format!("a segment decrypted with the key of the playlist has {value}; {limit} expected");
    let at = out.fail(Severity::Critical, value, limit, message).reason(reason);
    let at = at.fact("age of the key, s", format!("{:.1}", age.secs_f64()));
    if let Some(number) = load.number() {
        at.fact("segment number", number);
    }
}
