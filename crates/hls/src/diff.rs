//! What differs between two playlists, by meaning: the window, tags, segments under the same number, variants and
//! renditions by what they are. Order, comments and line numbers mean nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::attributes::{AttributeList, AttributeValue};
use crate::model::{
    ByteRange, DateTime, Key, MediaPlaylist, MultivariantPlaylist, Playlist, PlaylistType, RawTag, Segment, Variant,
};
use crate::value::write_date_time;

/// Most differences told; how many more there are is the last one.
pub const MAX_DIFFERENCES: usize = 200;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Difference {
    /// The one is a Media Playlist, the other a Multivariant Playlist: nothing else is compared.
    OtherKind {
        before: &'static str,
        after: &'static str,
    },
    /// The list of segments: first and last media sequence number; absent for an empty list.
    Window {
        before: Option<(u64, u64)>,
        after: Option<(u64, u64)>,
    },
    Added {
        item: String,
        /// What it says, one line.
        says: String,
    },
    Removed {
        item: String,
        says: String,
    },
    /// Absent: the attribute or tag is not there.
    Changed {
        item: String,
        attribute: String,
        before: Option<String>,
        after: Option<String>,
    },
    /// So many differences are left out.
    More {
        n: usize,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherKind { before, after } => write!(f, "a {before} before, a {after} after"),
            Self::Window { before: Some((a, b)), after: Some((c, d)) } => {
                let (gone, new) = (c.saturating_sub(*a).min(b - a + 1), d.saturating_sub(*b).min(d - c + 1));
                match (c.cmp(a), c > b) {
                    (std::cmp::Ordering::Less, _) => write!(f, "window went back from MSN {a}..{b} to {c}..{d}"),
                    (_, true) => write!(f, "window moved from MSN {a}..{b} to {c}..{d}: no segment is in both"),
                    _ => write!(f, "window moved from MSN {a}..{b} to {c}..{d}: {gone} gone, {new} new"),
                }
            }
            Self::Window { before, after } => {
                let text = |window: &Option<(u64, u64)>| match window {
                    Some((first, last)) => format!("MSN {first}..{last}"),
                    None => "no segments".to_owned(),
                };
                write!(f, "{} before, {} after", text(before), text(after))
            }
            Self::Added { item, says } if says.is_empty() => write!(f, "added {item}"),
            Self::Added { item, says } => write!(f, "added {item}: {says}"),
            Self::Removed { item, says } if says.is_empty() => write!(f, "removed {item}"),
            Self::Removed { item, says } => write!(f, "removed {item}: {says}"),
            Self::Changed { item, attribute, before: Some(before), after: Some(after) } => {
                write!(f, "changed {item}: {attribute} from {before} to {after}")
            }
            Self::Changed { item, attribute, after: Some(after), .. } => {
                write!(f, "changed {item}: {attribute} {after} added")
            }
            Self::Changed { item, attribute, before, .. } => {
                write!(f, "changed {item}: {attribute} {} removed", before.as_deref().unwrap_or_default())
            }
            Self::More { n } => write!(f, "and {n} more"),
        }
    }
}

/// Differences in the order in which they matter; none for playlists that mean the same. A window that moved by time
/// alone is one difference.
pub fn diff(before: &Playlist, after: &Playlist) -> Vec<Difference> {
    let mut found = Vec::new();
    match (before, after) {
        (Playlist::Media(a), Playlist::Media(b)) => media(a, b, &mut found),
        (Playlist::Multivariant(a), Playlist::Multivariant(b)) => {
            compare(&multivariant_items(a), &multivariant_items(b), &mut found);
        }
        _ => found.push(Difference::OtherKind { before: kind(before), after: kind(after) }),
    }
    if found.len() > MAX_DIFFERENCES {
        let n = found.len() - MAX_DIFFERENCES;
        found.truncate(MAX_DIFFERENCES);
        found.push(Difference::More { n });
    }
    found
}

fn kind(playlist: &Playlist) -> &'static str {
    match playlist {
        Playlist::Media(_) => "media playlist",
        Playlist::Multivariant(_) => "multivariant playlist",
    }
}

/// Attributes of an item by name.
type Attributes = BTreeMap<String, String>;
/// Items by name. The name is what makes two items the same one.
type Items = BTreeMap<String, Attributes>;

/// The item of tags that belong to the playlist as a whole.
const PLAYLIST: &str = "playlist";

fn compare(a: &Items, b: &Items, found: &mut Vec<Difference>) {
    let empty = Attributes::new();
    // The playlist's own tags first.
    compare_one(PLAYLIST, a.get(PLAYLIST).unwrap_or(&empty), b.get(PLAYLIST).unwrap_or(&empty), found);
    let says = |attributes: &Attributes| {
        attributes.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    };
    for (item, attributes) in a.iter().filter(|(item, _)| *item != PLAYLIST) {
        match b.get(item) {
            Some(other) => compare_one(item, attributes, other, found),
            None => found.push(Difference::Removed { item: item.clone(), says: says(attributes) }),
        }
    }
    let new = b.iter().filter(|(item, _)| *item != PLAYLIST && !a.contains_key(*item));
    found.extend(new.map(|(item, attributes)| Difference::Added { item: item.clone(), says: says(attributes) }));
}

fn compare_one(item: &str, a: &Attributes, b: &Attributes, found: &mut Vec<Difference>) {
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    for name in names {
        let (before, after) = (a.get(name), b.get(name));
        if before != after {
            found.push(Difference::Changed {
                item: item.to_owned(),
                attribute: name.clone(),
                before: before.cloned(),
                after: after.cloned(),
            });
        }
    }
}

/// Puts a value under a name; a second one of the same name gets a number.
fn put(items: &mut Items, name: String, attributes: Attributes) {
    if let std::collections::btree_map::Entry::Vacant(free) = items.entry(name.clone()) {
        free.insert(attributes);
        return;
    }
    let numbered = (2..).map(|n| format!("{name} ({n})")).find(|name| !items.contains_key(name));
    if let Some(name) = numbered {
        items.insert(name, attributes);
    }
}

fn list_of(list: &AttributeList, but: &[&str]) -> Attributes {
    let kept = list.attributes.iter().filter(|a| !but.contains(&&*a.name));
    let value = |value: &AttributeValue| match value {
        AttributeValue::Quoted(text) => format!("\"{text}\""),
        AttributeValue::Bare(text) => text.to_string(),
    };
    kept.map(|a| (a.name.to_string(), value(&a.value))).collect()
}

fn seconds(micros: i64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, (micros % 1_000_000).abs());
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}

fn date(date: &DateTime) -> String {
    write_date_time(date.unix_us)
}

fn range(range: &ByteRange) -> String {
    format!("{}@{}", range.length, range.offset)
}

// ---- Media playlists ----

fn media(a: &MediaPlaylist, b: &MediaPlaylist, found: &mut Vec<Difference>) {
    let window = |p: &MediaPlaylist| Some((p.segments.first()?.msn, p.last_msn()?));
    let (before, after) = (window(a), window(b));
    if before != after {
        found.push(Difference::Window { before, after });
    }
    let (mut items_a, mut items_b) = (media_items(a), media_items(b));
    // Segments of both windows in full; of the new ones what is more than a segment.
    let both = match (before, after) {
        (Some((first_a, last_a)), Some((first_b, last_b))) => first_a.max(first_b)..=last_a.min(last_b),
        #[expect(clippy::reversed_empty_ranges, reason = "no segment is in both")]
        _ => 1..=0,
    };
    let segments = |p: &MediaPlaylist, items: &mut Items, new: bool| {
        let mut last: Option<&Segment> = None;
        for (index, segment) in p.segments.iter().enumerate() {
            let name = format!("segment {}", segment.msn);
            if both.contains(&segment.msn) {
                put(items, name, segment_attributes(segment, p.raw_tags_of(index)));
            } else if new {
                let notable = notable(segment, last, p.raw_tags_of(index));
                if !notable.is_empty() {
                    put(items, name, notable);
                }
            }
            last = Some(segment);
        }
    };
    segments(a, &mut items_a, false);
    segments(b, &mut items_b, true);
    compare(&items_a, &items_b, found);
}

fn media_items(p: &MediaPlaylist) -> Items {
    let mut items = Items::new();
    let mut own = Attributes::new();
    let mut tag = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            own.insert(name.to_owned(), value);
        }
    };
    let present = |line: Option<u32>| line.map(|_| "present".to_owned());
    tag("EXT-X-VERSION", p.version.map(|v| v.value.to_string()));
    tag("EXT-X-TARGETDURATION", p.target_duration.map(|v| v.value.to_string()));
    tag("EXT-X-DISCONTINUITY-SEQUENCE", p.discontinuity_sequence.map(|v| v.value.to_string()));
    tag(
        "EXT-X-PLAYLIST-TYPE",
        p.playlist_type.map(|t| match t.value {
            PlaylistType::Event => "EVENT".to_owned(),
            PlaylistType::Vod => "VOD".to_owned(),
            PlaylistType::Other => "another".to_owned(),
        }),
    );
    tag("EXT-X-ENDLIST", present(p.end_list));
    tag("EXT-X-I-FRAMES-ONLY", present(p.i_frames_only));
    tag("EXT-X-INDEPENDENT-SEGMENTS", present(p.independent_segments));
    tag("EXT-X-START", p.start.as_ref().map(|s| format!("{} precise {}", seconds(s.time_offset_us), s.precise)));
    tag("EXT-X-PART-INF", p.part_inf.map(|part| seconds(part.part_target_us)));
    tag("EXT-X-SKIP", p.skip.as_ref().map(|skip| format!("{} segments", skip.skipped_segments)));
    if let Some(control) = &p.server_control {
        let list = list_of(&control.attributes, &[]);
        tag("EXT-X-SERVER-CONTROL", Some(list.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(",")));
    }
    items.insert(PLAYLIST.to_owned(), own);
    for define in &p.defines {
        let value = define.value.as_deref().unwrap_or("unresolved").to_owned();
        put(&mut items, format!("EXT-X-DEFINE {}", define.name), [("VALUE".to_owned(), value)].into());
    }
    for range in &p.date_ranges {
        put(&mut items, format!("EXT-X-DATERANGE {}", range.id), list_of(&range.attributes, &["ID"]));
    }
    for report in &p.rendition_reports {
        put(&mut items, format!("EXT-X-RENDITION-REPORT {}", report.uri), Attributes::new());
    }
    items
}

fn segment_attributes(segment: &Segment, raw_tags: &[RawTag]) -> Attributes {
    let mut all = notable(segment, None, raw_tags);
    all.insert("URI".to_owned(), segment.uri.to_string());
    all.insert("EXTINF".to_owned(), seconds(segment.duration_us));
    if let Some(bytes) = &segment.byte_range {
        all.insert("EXT-X-BYTERANGE".to_owned(), range(bytes));
    }
    if let Some(at) = &segment.program_date_time {
        all.insert("EXT-X-PROGRAM-DATE-TIME".to_owned(), date(at));
    }
    all
}

/// What a segment brings beside media: discontinuity, gap, another map or key than the one before, other tags.
fn notable(segment: &Segment, before: Option<&Segment>, raw_tags: &[RawTag]) -> Attributes {
    let mut all = Attributes::new();
    let present = || "present".to_owned();
    if segment.discontinuity.is_some() {
        all.insert("EXT-X-DISCONTINUITY".to_owned(), present());
    }
    if segment.gap.is_some() {
        all.insert("EXT-X-GAP".to_owned(), present());
    }
    let map = |s: &Segment| {
        let map = s.map.as_ref()?;
        Some(format!("{}{}", map.uri, map.byte_range.as_ref().map(|r| format!(" {}", range(r))).unwrap_or_default()))
    };
    let keys = |s: &Segment| Some(s.keys.as_ref()?.iter().map(key).collect::<Vec<_>>().join("; "));
    if before.is_none_or(|before| map(before) != map(segment)) {
        all.extend(map(segment).map(|map| ("EXT-X-MAP".to_owned(), map)));
    }
    if before.is_none_or(|before| keys(before) != keys(segment)) {
        all.extend(keys(segment).map(|keys| ("EXT-X-KEY".to_owned(), keys)));
    }
    for tag in raw_tags {
        let text = all.entry(tag.name.to_string()).or_default();
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.push_str(if tag.value.is_empty() { "present" } else { &tag.value });
    }
    all
}

fn key(key: &Key) -> String {
    let uri = key.uri.as_deref().unwrap_or_default();
    format!("{} {} {uri}", key.method.as_str(), key.key_format.as_deref().unwrap_or("identity"))
}

// ---- Multivariant playlists ----

fn multivariant_items(p: &MultivariantPlaylist) -> Items {
    let mut items = Items::new();
    let mut own = Attributes::new();
    own.extend(p.version.map(|v| ("EXT-X-VERSION".to_owned(), v.value.to_string())));
    own.extend(p.independent_segments.map(|_| ("EXT-X-INDEPENDENT-SEGMENTS".to_owned(), "present".to_owned())));
    own.extend(p.start.as_ref().map(|s| ("EXT-X-START".to_owned(), seconds(s.time_offset_us))));
    own.extend(p.content_steering.as_ref().map(|c| ("EXT-X-CONTENT-STEERING".to_owned(), c.server_uri.to_string())));
    items.insert(PLAYLIST.to_owned(), own);
    for (what, variants) in [("variant", &p.variants), ("I-frame variant", &p.i_frame_variants)] {
        for variant in variants {
            let mut attributes = list_of(&variant.attributes, &[]);
            attributes.insert("URI".to_owned(), variant.uri.to_string());
            put(&mut items, format!("{what} {}", variant_name(variant)), attributes);
        }
    }
    for rendition in &p.media {
        let kind = rendition.attributes.str("TYPE").unwrap_or("?");
        let name = format!("rendition {kind} {} {:?}", rendition.group_id, &*rendition.name);
        put(&mut items, name, list_of(&rendition.attributes, &["TYPE", "GROUP-ID", "NAME"]));
    }
    for data in &p.session_data {
        let value = data.value.as_deref().or(data.uri.as_deref()).unwrap_or_default().to_owned();
        let name = format!("EXT-X-SESSION-DATA {} {}", data.data_id, data.language.as_deref().unwrap_or_default());
        put(&mut items, name.trim_end().to_owned(), [("VALUE".to_owned(), value)].into());
    }
    for session_key in &p.session_keys {
        put(&mut items, format!("EXT-X-SESSION-KEY {}", key(session_key)), list_of(&session_key.attributes, &[]));
    }
    for define in &p.defines {
        let value = define.value.as_deref().unwrap_or("unresolved").to_owned();
        put(&mut items, format!("EXT-X-DEFINE {}", define.name), [("VALUE".to_owned(), value)].into());
    }
    for tag in &p.raw_tags {
        put(&mut items, tag.name.to_string(), [("VALUE".to_owned(), tag.value.to_string())].into());
    }
    items
}

/// What a variant is known by: its stable id, else its URI without the query, where tokens are.
fn variant_name(variant: &Variant) -> String {
    match &variant.stable_variant_id {
        Some(id) => id.to_string(),
        None => variant.uri.split(['?', '#']).next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Variables, parse};

    fn check(before: &str, after: &str, expected: &[&str]) {
        let read = |text: &str| parse(format!("#EXTM3U\n{text}").as_bytes(), Variables::default()).0;
        let found: Vec<String> = diff(&read(before), &read(after)).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
        let same = diff(&read(after), &read(after));
        assert!(same.is_empty(), "{same:?}");
    }

    fn live(first: u64, n: u64, head: &str) -> String {
        let segments: String = (first..first + n).map(|n| format!("#EXTINF:6.0,\ns{n}.ts\n")).collect();
        format!("#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:{first}\n{head}{segments}")
    }

    #[test]
    fn windows_move() {
        check(&live(10, 5, ""), &live(10, 5, "## a comment\n"), &[]);
        check(&live(10, 5, ""), &live(12, 5, ""), &["window moved from MSN 10..14 to 12..16: 2 gone, 2 new"]);
        check(&live(10, 5, ""), &live(20, 2, ""), &["window moved from MSN 10..14 to 20..21: no segment is in both"]);
        check(&live(10, 5, ""), &live(3, 2, ""), &["window went back from MSN 10..14 to 3..4"]);
        check(&live(10, 5, ""), &live(10, 0, ""), &["MSN 10..14 before, no segments after"]);
        check(&live(0, 3, ""), &live(0, 4, ""), &["window moved from MSN 0..2 to 0..3: 0 gone, 1 new"]);
    }

    #[test]
    fn tags_and_segments_of_media_playlists() {
        check(
            &live(10, 2, "#EXT-X-VERSION:3\n"),
            &(live(10, 2, "#EXT-X-VERSION:6\n").replace("DURATION:6\n", "DURATION:7\n") + "#EXT-X-ENDLIST\n"),
            &[
                "changed playlist: EXT-X-ENDLIST present added",
                "changed playlist: EXT-X-TARGETDURATION from 6 to 7",
                "changed playlist: EXT-X-VERSION from 3 to 6",
            ],
        );
        check(
            &live(10, 3, ""),
            &live(10, 3, "").replace("s11.ts", "other.ts").replace("6.0,\ns12", "5.5,\ns12"),
            &["changed segment 11: URI from s11.ts to other.ts", "changed segment 12: EXTINF from 6 s to 5.5 s"],
        );
        let cue = "#EXT-X-CUE-OUT:30\n#EXT-X-DISCONTINUITY\n#EXTINF:2.0,\nad.ts\n";
        check(
            &live(10, 2, ""),
            &(live(10, 2, "") + cue),
            &[
                "window moved from MSN 10..11 to 10..12: 0 gone, 1 new",
                "added segment 12: EXT-X-CUE-OUT=30 EXT-X-DISCONTINUITY=present",
            ],
        );
        let range = "#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-11-22T09:00:00Z\"";
        check(
            &live(10, 2, &format!("{range}\n")),
            &live(10, 2, &format!("{range},DURATION=30\n{}\n", range.replace("\"a\"", "\"b\""))),
            &[
                "changed EXT-X-DATERANGE a: DURATION 30 added",
                "added EXT-X-DATERANGE b: START-DATE=\"2026-11-22T09:00:00Z\"",
            ],
        );
    }

    #[test]
    fn variants_and_renditions() {
        let audio = "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"English\",LANGUAGE=\"en\",URI=\"en.m3u8\"\n";
        let variant =
            |bandwidth: u32, uri: &str| format!("#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},AUDIO=\"a\"\n{uri}\n");
        let both = format!("{audio}{}{}", variant(1, "a.m3u8?t=1"), variant(2, "b.m3u8"));
        check(&both, &format!("{}{audio}{}", variant(2, "b.m3u8"), variant(1, "a.m3u8?t=1")), &[]);
        check(
            &both,
            &format!("{}{}{}", audio.replace("\"en\"", "\"de\""), variant(3, "a.m3u8?t=2"), variant(9, "c.m3u8")),
            &[
                "changed rendition AUDIO a \"English\": LANGUAGE from \"en\" to \"de\"",
                "changed variant a.m3u8: BANDWIDTH from 1 to 3",
                "changed variant a.m3u8: URI from a.m3u8?t=1 to a.m3u8?t=2",
                "removed variant b.m3u8: AUDIO=\"a\" BANDWIDTH=2 URI=b.m3u8",
                "added variant c.m3u8: AUDIO=\"a\" BANDWIDTH=9 URI=c.m3u8",
            ],
        );
        check(&both, &live(1, 1, ""), &["a multivariant playlist before, a media playlist after"]);
        check(
            &format!("{both}{}", variant(4, "b.m3u8")),
            &both,
            &["removed variant b.m3u8 (2): AUDIO=\"a\" BANDWIDTH=4 URI=b.m3u8"],
        );
    }

    #[test]
    fn differences_are_bounded() {
        let (a, b) = (live(0, 1_000, ""), live(0, 1_000, "").replace("s", "x"));
        let read = |text: &str| parse(format!("#EXTM3U\n{text}").as_bytes(), Variables::default()).0;
        let found = diff(&read(&a), &read(&b));
        assert_eq!((found.len(), found.last()), (MAX_DIFFERENCES + 1, Some(&Difference::More { n: 800 })));
    }
}
