use ow_domain::Severity;
use ow_domain::capture::ObjectKind;
use ow_domain::facts::Container;

use crate::input::{BodyKind, Load};
use crate::outcome::Outcome;
use crate::registry::{bis, has};

crate::check! {
    /// Detects:       A Content-Type that does not fit what is served.
    /// Matters:       Some players and all browsers' own players refuse a playlist that they do not recognise.
    /// Usual causes:  A web server without the media types, object storage that guesses, a CDN rule.
    /// Stays quiet:   For application/octet-stream on segments, for segments without a type, and for a wrong body.
    id: "http-content-type", title: "Content-Type does not fit", severity: Warning, hold: "H3", clear: "C1",
    since: "0.1", spec: [bis("4"), has("MIME types")], input: Load, scope: Track, params: {},
}

fn run(load: &Load<'_>, _: &Params, out: &mut Outcome) {
    let exchange = &load.capture.exchange;
    let header = exchange.header("content-type").unwrap_or_default();
    let found = header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let container = load.capture.facts.as_ref().map(|f| f.container);
    let (kind, expected): (_, &[&str]) = match (load.capture.object, load.body, container) {
        (ObjectKind::Mvp | ObjectKind::MediaPlaylist, BodyKind::Playlist | BodyKind::Bom, _) => {
            ("playlist", &["application/vnd.apple.mpegurl", "audio/mpegurl"])
        }
        (ObjectKind::Mpd, BodyKind::Mpd, _) => ("playlist", &["application/dash+xml"]),
        (ObjectKind::Segment | ObjectKind::Init, _, Some(container)) => match container {
            Container::MpegTs => ("segment", &["video/mp2t"]),
            Container::IsoBmff => {
                ("segment", &["video/mp4", "audio/mp4", "application/mp4", "video/iso.segment", "audio/iso.segment"])
            }
            Container::WebVtt => ("segment", &["text/vtt"]),
            _ => return,
        },
        _ => {
            return;
        }
    };
    let complete = exchange.is_complete_success();
    let harmless =
        kind == "segment" && matches!(found.as_str(), "" | "application/octet-stream" | "binary/octet-stream");
    if !complete {
        out.unknown().reason(kind);
        return;
    }
    if harmless || expected.contains(&found.as_str()) {
        out.pass().reason(kind);
        return;
    }
    let path = exchange.base_url().split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let named = [".m3u8", ".m3u", ".mpd"].iter().any(|end| path.ends_with(end));
    if found.is_empty() && named {
        // Identified by its path (BIS 4).
        out.unknown().reason(kind);
        return;
    }
    let severity = if kind == "playlist" && !named { Severity::Minor } else { Severity::Warning };
    let value = if found.is_empty() { "no type".to_owned() } else { found.chars().take(80).collect() };
    let limit = expected.first().copied().unwrap_or_default();
    let message = format!("a {} is served as {value}; {limit} expected", load.object_name());
    out.fail(severity, value, limit, message).reason(kind);
}
