use ow_domain::Severity;
use ow_hls::KeyMethod;

use super::{Breach, cut, key_hash, tell};
use crate::input::MvpDocument;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       An EXT-X-SESSION-KEY with METHOD=NONE, or one that no media playlist uses.
    /// Matters:       Players fetch the wrong licence ahead of time and wait for the right one at the start.
    /// Usual causes:  A rotation that reached the media playlists only, a key server template that differs.
    /// Stays quiet:   For one fetch after a rotation, and until a media playlist with keys was read.
    id: "hls-mvp-session-key-mismatch", title: "Session key is not the key in use", severity: Minor, hold: "H3", clear: "C2",
    since: "0.1", spec: [bis("4.4.6.5")], input: MvpDocument, scope: Stream, params: {},
}

fn run(doc: &MvpDocument<'_>, _: &Params, out: &mut Outcome) {
    let mut breaches = Vec::new();
    let mut is_known = !doc.media_keys.is_empty();
    for key in &doc.playlist.session_keys {
        let method = key.method.as_str();
        let value = match key.method {
            KeyMethod::None => {
                is_known = true;
                "EXT-X-SESSION-KEY has METHOD=NONE".to_owned()
            }
            _ if is_known && !doc.media_keys.contains(&key_hash(key)) => {
                format!("no media playlist uses the session key ({})", cut(method))
            }
            _ => continue,
        };
        breaches.push(Breach::new(key.line, Severity::Minor, value, "a key of the media playlists"));
    }
    if !is_known && !doc.playlist.session_keys.is_empty() {
        out.unknown();
        return;
    }
    tell(doc, out, breaches);
}
