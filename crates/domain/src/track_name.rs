//! Names of renditions: what a rendition is, never where it lies or how fast it happens to be.
//!
//! A name is part of the identity of an alarm, so it has to stay through reloads, restarts, reordered lists and declared
//! bit rates that a packager computes anew from what it has measured.

use std::collections::HashMap;

use crate::TrackId;
use crate::capture::{Track, TrackKind};

/// A rendition before it has its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unnamed {
    /// Its `id` is replaced.
    pub track: Track,
    /// What the manifest itself calls it (group and name, Representation@id); empty when it does not.
    pub label: String,
}

/// Gives each its name, in the order given. A name that would be shared is made longer by codec, frame rate, dynamic
/// range, label, and at last rank by bit rate, for all who share it; so no name depends on the order of the list.
pub fn name_tracks(tracks: Vec<Unnamed>) -> Vec<Track> {
    let mut names: Vec<String> = tracks.iter().map(|t| plain(&t.track)).collect();
    let details: [fn(&Unnamed) -> String; 4] = [codecs, frame_rate, range, |t| t.label.clone()];
    for detail in details {
        for index in shared(&names) {
            let more = tracks.get(index).map(detail).unwrap_or_default();
            if let Some(name) = names.get_mut(index).filter(|_| !more.is_empty()) {
                name.push('-');
                name.push_str(&more);
            }
        }
    }
    // What is equal even now is told apart by its bit rate, the highest first.
    let mut order: Vec<usize> = shared(&names);
    order.sort_by_key(|i| std::cmp::Reverse(tracks.get(*i).and_then(|t| t.track.bandwidth)));
    let mut ranks: HashMap<String, usize> = HashMap::new();
    for index in order {
        let Some(name) = names.get_mut(index) else { continue };
        let rank = ranks.entry(name.clone()).or_insert(0);
        *rank += 1;
        *name = format!("{}-{rank}", cut(name));
    }
    let mut taken: HashMap<TrackId, usize> = HashMap::new();
    let mut out = Vec::with_capacity(tracks.len());
    for (unnamed, name) in tracks.into_iter().zip(names) {
        let mut id = TrackId::from_text(&name);
        let mut n = 1;
        // Two texts can give one identifier.
        while taken.contains_key(&id) {
            n += 1;
            id = TrackId::from_text(&format!("{}-{n}", cut(&name)));
        }
        taken.insert(id.clone(), n);
        out.push(Track { id, ..unnamed.track });
    }
    out
}

/// A counter beyond the end of a long name would be lost.
fn cut(name: &str) -> String {
    name.chars().take(50).collect()
}

/// Places of names that occur more than once.
fn shared(names: &[String]) -> Vec<usize> {
    let mut uses: HashMap<TrackId, usize> = HashMap::new();
    for name in names {
        *uses.entry(TrackId::from_text(name)).or_default() += 1;
    }
    let is_shared = |name: &String| uses.get(&TrackId::from_text(name)).is_some_and(|n| *n > 1);
    names.iter().enumerate().filter(|(_, name)| is_shared(name)).map(|(i, _)| i).collect()
}

fn plain(track: &Track) -> String {
    let kind = match track.kind {
        TrackKind::Video => "video",
        TrackKind::Muxed => "muxed",
        TrackKind::Audio => "audio",
        TrackKind::Text => "text",
        TrackKind::Trick => "trick",
    };
    match (track.kind, &track.language, track.height) {
        (TrackKind::Audio | TrackKind::Text, Some(language), _) => format!("{kind}-{language}"),
        (TrackKind::Video | TrackKind::Muxed | TrackKind::Trick, _, Some(height)) => format!("{kind}-{height}p"),
        _ => kind.to_owned(),
    }
}

/// Families of the codecs: `avc1-mp4a`.
fn codecs(unnamed: &Unnamed) -> String {
    let codecs = unnamed.track.codecs.as_deref().unwrap_or_default();
    let families = codecs.split(',').filter_map(|c| c.trim().split('.').next()).filter(|c| !c.is_empty());
    families.collect::<Vec<_>>().join("-")
}

fn frame_rate(unnamed: &Unnamed) -> String {
    unnamed.track.frame_rate_milli.map(|f| format!("{}fps", (f + 500) / 1000)).unwrap_or_default()
}

fn range(unnamed: &Unnamed) -> String {
    unnamed.track.video_range.as_deref().map(str::to_ascii_lowercase).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(kind: TrackKind, height: Option<u32>, kbps: u64, codecs: &str, language: Option<&str>) -> Track {
        Track {
            id: TrackId::from_text("x"),
            kind,
            bandwidth: Some(kbps * 1000),
            average_bandwidth: None,
            frame_rate_milli: None,
            video_range: None,
            channels: None,
            width: None,
            height,
            codecs: (!codecs.is_empty()).then(|| codecs.into()),
            language: language.map(Into::into),
        }
    }

    fn check(tracks: &[(Track, &str)], expected: &[&str]) {
        let unnamed = |(track, label): &(Track, &str)| Unnamed { track: track.clone(), label: (*label).to_owned() };
        let names =
            |tracks: Vec<Unnamed>| -> Vec<String> { name_tracks(tracks).iter().map(|t| t.id.to_string()).collect() };
        assert_eq!(names(tracks.iter().map(unnamed).collect()), expected);
        // The order of the list has no part in it.
        let mut backwards = names(tracks.iter().rev().map(unnamed).collect());
        backwards.reverse();
        assert_eq!(backwards, expected);
    }

    #[test]
    fn names_say_what_a_rendition_is() {
        use TrackKind::{Audio, Muxed, Text, Video};
        let video = |height, kbps, codecs| track(Video, Some(height), kbps, codecs, None);
        check(
            &[(video(1080, 5000, "avc1.640028"), ""), (video(720, 3000, "avc1.64001f"), "")],
            &["video-1080p", "video-720p"],
        );
        check(
            &[(track(Muxed, None, 900, "", None), ""), (track(Audio, None, 64, "mp4a.40.2", None), "")],
            &["muxed", "audio"],
        );
        check(
            &[(track(Audio, None, 64, "", Some("en")), "a/x"), (track(Text, None, 1, "", Some("vi")), "s/y")],
            &["audio-en", "text-vi"],
        );
        // Codecs, then labels, then rank.
        check(
            &[(video(1080, 5000, "avc1.640028"), ""), (video(1080, 4000, "hvc1.2.4.L123"), "")],
            &["video-1080p-avc1", "video-1080p-hvc1"],
        );
        check(
            &[(track(Audio, None, 64, "", Some("en")), "lo-e"), (track(Audio, None, 96, "", Some("en")), "hi-e")],
            &["audio-en-lo-e", "audio-en-hi-e"],
        );
        check(
            &[(video(1080, 4000, "avc1"), ""), (video(1080, 8000, "avc1"), ""), (video(720, 1, "avc1"), "")],
            &["video-1080p-avc1-2", "video-1080p-avc1-1", "video-720p"],
        );
    }

    #[test]
    fn a_declared_rate_that_moves_changes_no_name() {
        let at = |kbps| {
            let tracks = [(1080, kbps), (1080, 9000), (480, kbps / 4)];
            let unnamed = |(height, kbps)| Unnamed {
                track: track(TrackKind::Video, Some(height), kbps, "avc1.640028,mp4a.40.2", None),
                label: String::new(),
            };
            name_tracks(tracks.map(unnamed).to_vec()).into_iter().map(|t| t.id).collect::<Vec<_>>()
        };
        assert_eq!(at(4000), at(4321));
    }

    #[test]
    fn long_equal_labels_are_counted() {
        let long = "x".repeat(200);
        let tracks = || (0..3).map(|_| (track(TrackKind::Audio, None, 64, "", Some("en")), long.as_str()));
        let unnamed = tracks().map(|(track, label)| Unnamed { track, label: label.to_owned() }).collect();
        let names: std::collections::BTreeSet<_> = name_tracks(unnamed).into_iter().map(|t| t.id).collect();
        assert_eq!(names.len(), 3, "{names:?}");
    }
}
