use ow_domain::Severity;
use ow_domain::capture::{ObjectKind, TrackKind};
use ow_domain::facts::Container;

use crate::input::MediaLoad;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       A segment without media: no bytes at all, an empty mdat, a transport stream without any PES packet.
    /// Matters:       Players stall or skip although every status code is fine.
    /// Usual causes:  A request that raced the upload, a full disk, an encoder output that died.
    /// Stays quiet:   For subtitles, which may be empty, and for the first bytes of a segment read by range.
    id: "br-segment-empty", title: "Segment is empty", severity: Major, hold: "major H1 -> critical@major H2/10",
    clear: "C5", since: "0.1", spec: [op()], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Segment || load.track.is_some_and(|t| t.kind == TrackKind::Text) {
        return;
    }
    let bytes = load.response.body_bytes;
    let what = match load.facts {
        _ if bytes == 0 => "0 bytes",
        Some(f) if f.container == Container::Empty => "0 bytes",
        Some(f) if load.response.status == 200 && f.n_issues == 0 => {
            let without_media = match f.container {
                // Without tables nobody knows what is in it: that is another fault.
                Container::MpegTs => {
                    let ts = f.ts.as_ref().filter(|ts| ts.n_packets > 0);
                    ts.is_some_and(|ts| ts.psi.n_pmt > 0 || ts.pat_pmt_first || ts.is_all_null())
                        && f.elementary.iter().all(|e| e.n_access_units == 0 && e.payload_bytes == 0)
                }
                Container::IsoBmff => f.mp4.as_ref().is_some_and(|mp4| mp4.mdat_bytes == 0),
                _ => false,
            };
            if !without_media {
                out.pass();
                return;
            }
            "a container without media"
        }
        Some(_) => {
            out.pass();
            return;
        }
        None => {
            out.unknown();
            return;
        }
    };
    let message = format!("a segment with status {} has {what}; media expected", load.response.status);
    let at = out.fail(Severity::Major, what, "media", message).fact("bytes", bytes);
    if let Some(number) = load.capture.promised.as_ref().and_then(|p| p.number) {
        at.fact("segment number", number);
    }
}
