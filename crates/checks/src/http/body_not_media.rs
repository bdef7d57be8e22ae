use ow_domain::Severity;
use ow_domain::capture::{ObjectKind, TrackKind};
use ow_domain::facts::Container;

use crate::input::{BodyKind, Load};
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       A 200 whose body is something else: an HTML or JSON page in place of a playlist, text in place of media.
    /// Matters:       Players fail to parse it, and status codes alone show nothing wrong.
    /// Usual causes:  A soft error page, a captive portal, a login page, a default page of a misrouted host.
    /// Stays quiet:   For one such answer, for subtitles (text by nature) and for a byte order mark before a playlist.
    id: "http-body-not-media", title: "Answer is not media", severity: Critical, hold: "H2", clear: "C1",
    since: "0.1", spec: [bis("4.1"), bis("4.4.1.1")], input: Load, scope: Track, params: {},
}

fn run(load: &Load<'_>, _: &Params, out: &mut Outcome) {
    if load.is_manifest() {
        let expected = if load.capture.object == ObjectKind::Mpd { "an MPD" } else { "#EXTM3U" };
        match load.body {
            _ if load.entry_failed => {
                out.unknown();
            }
            BodyKind::Foreign(found) => {
                let message = format!("{} starts like {found}; {expected} expected", load.object_name());
                let at = out.fail(Severity::Critical, found, expected, message);
                if let Some(sample) = load.response().and_then(|r| r.sniff.as_deref()) {
                    at.fact("starts with", sample);
                }
            }
            BodyKind::None => {
                out.unknown();
            }
            BodyKind::Playlist | BodyKind::Bom | BodyKind::Mpd => {
                out.pass();
            }
        }
        return;
    }
    let Some(response) = load.response().filter(|r| matches!(r.status, 200 | 206)) else {
        out.unknown();
        return;
    };
    let text_track = load.capture.track.as_ref().is_some_and(|t| t.kind == TrackKind::Text);
    match load.capture.facts.as_ref().map(|f| f.container) {
        Some(Container::Text) if !text_track => {
            let message = format!("{} starts like text; media expected", load.object_name());
            let at = out.fail(Severity::Major, "text", "media", message);
            if let Some(sample) = response.sniff.as_deref() {
                at.fact("starts with", sample);
            }
        }
        Some(Container::Unknown | Container::Empty) | None => {
            out.unknown();
        }
        Some(_) => {
            out.pass();
        }
    }
}
