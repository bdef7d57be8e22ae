use ow_domain::Severity;
use ow_hls::MediaType;

use super::{Breach, tell};
use crate::input::MvpDocument;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       EXT-X-MEDIA without a required attribute, or with one that its TYPE forbids or contradicts.
    /// Matters:       Players leave the rendition out of their menus or ignore the tag.
    /// Usual causes:  A packager that takes one TYPE for another, a template edited by hand.
    /// Stays quiet:   For TYPE values and INSTREAM-IDs of later versions.
    id: "hls-mvp-media-attr-invalid", title: "EXT-X-MEDIA is not valid", severity: Minor, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("4.4.6.1")], input: MvpDocument, scope: Stream, params: {},
}

fn run(doc: &MvpDocument<'_>, _: &Params, out: &mut Outcome) {
    let mut breaches = Vec::new();
    let mut counts: Vec<&str> = doc.playlist.media.iter().filter_map(|m| m.channels.as_deref()).collect();
    counts.sort_unstable();
    counts.dedup();
    for media in &doc.playlist.media {
        let mut say = |value: &str, limit: &str| breaches.push(Breach::new(media.line, Severity::Minor, value, limit));
        if media.attributes.get("TYPE").is_none() {
            say("EXT-X-MEDIA has no TYPE", "a TYPE");
        }
        if media.group_id.is_empty() {
            say("EXT-X-MEDIA has no GROUP-ID", "a GROUP-ID");
        }
        if media.name.is_empty() {
            say("EXT-X-MEDIA has no NAME", "a NAME");
        }
        let has_uri = media.uri.is_some();
        match media.media_type {
            MediaType::Subtitles if !has_uri => say("SUBTITLES have no URI", "a URI"),
            MediaType::ClosedCaptions if has_uri => say("CLOSED-CAPTIONS have a URI", "no URI"),
            _ => {}
        }
        if media.media_type == MediaType::ClosedCaptions && !media.instream_id.as_deref().is_some_and(is_instream) {
            say("CLOSED-CAPTIONS have no usable INSTREAM-ID", "CC1 to CC4 or SERVICE1 to SERVICE63");
        }
        if media.forced && media.media_type != MediaType::Subtitles {
            say("FORCED=YES stands on what is no subtitle", "FORCED on SUBTITLES only");
        }
        if media.default && media.autoselect == Some(false) {
            say("AUTOSELECT=NO stands beside DEFAULT=YES", "AUTOSELECT=YES");
        }
        if media.media_type == MediaType::Audio && media.channels.is_none() && counts.len() > 1 {
            say("an audio rendition has no CHANNELS", "CHANNELS where channel counts differ");
        }
    }
    tell(doc, out, breaches);
}

fn is_instream(id: &str) -> bool {
    let number = |prefix: &str| id.strip_prefix(prefix).and_then(|n| n.parse::<u8>().ok());
    number("CC").is_some_and(|n| (1..=4).contains(&n)) || number("SERVICE").is_some_and(|n| (1..=63).contains(&n))
}
