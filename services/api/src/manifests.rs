//! How manifests differ between two times: by meaning and as text. For the REST interface and the command line.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ow_store::manifests::{ServedManifest, StoredLoad};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::schema;

/// Lines around a change.
const CONTEXT: usize = 3;

/// One line for a load: `main media-playlist video-1 by hcm-1 2026-11-22T09:41:07.250000Z 200 http://... 9f86d0...`
pub fn title(load: &StoredLoad) -> String {
    let mut text = name(load);
    let _ = write!(text, " {} ", load.at);
    match (&load.status, &load.failure) {
        (Some(status), _) => drop(write!(text, "{status}")),
        (None, Some(failure)) => text.push_str(failure),
        (None, None) => text.push_str("no answer"),
    }
    let _ = write!(text, " {} {}", load.url, load.digest.as_deref().unwrap_or("no body"));
    text
}

/// `main media-playlist video-1 by hcm-1`.
pub fn name(load: &StoredLoad) -> String {
    let track = load.track.as_ref().map(|t| format!(" {t}")).unwrap_or_default();
    format!("{} {}{track} by {}", load.stream, load.object, load.probe)
}

/// One load of a manifest.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes StoredLoad")]
pub(crate) struct ManifestLoad {
    stream: String,
    /// `mvp`, `media-playlist` or `mpd`.
    object: String,
    /// Id of the rendition; absent for what belongs to none.
    track: Option<String>,
    probe: String,
    /// When the answer ended.
    #[schema(schema_with = schema::time)]
    at: String,
    /// Without user, password and query.
    url: String,
    status: Option<u16>,
    /// Why no answer came.
    failure: Option<String>,
    /// SHA-256 of the body, for `/api/v1/manifests/{digest}`.
    digest: Option<String>,
    /// Id of the capture.
    capture: String,
}

/// A manifest that was served, with its text.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes ServedManifest")]
pub(crate) struct Served {
    #[serde(flatten)]
    load: ManifestLoad,
    text: String,
    /// Bytes that are not UTF-8 were replaced.
    lossy: bool,
}

/// How one manifest differs between two times.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Difference {
    /// Null: it was not served then.
    #[schema(value_type = Option<ManifestLoad>, required)]
    pub before: Option<StoredLoad>,
    #[schema(value_type = Option<ManifestLoad>, required)]
    pub after: Option<StoredLoad>,
    /// Byte for byte.
    pub same: bool,
    /// In words, a line each; empty with other text of the same meaning.
    pub meaning: Vec<String>,
    /// As `diff -u` shows it.
    pub unified: String,
}

/// One manifest at two times.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    pub before: Option<ServedManifest>,
    pub after: Option<ServedManifest>,
}

/// What was served at one time beside what was at another: by stream, object, rendition and probe.
pub fn pairs(before: Vec<ServedManifest>, after: Vec<ServedManifest>) -> Vec<Pair> {
    let key = |m: &ServedManifest| {
        let load = &m.load;
        (
            load.stream.clone(),
            load.object == "media-playlist",
            load.track.clone(),
            load.object.clone(),
            load.probe.clone(),
        )
    };
    let mut all: BTreeMap<_, Pair> = BTreeMap::new();
    for manifest in before {
        all.insert(key(&manifest), Pair { before: Some(manifest), after: None });
    }
    for manifest in after {
        let pair = all.entry(key(&manifest)).or_insert(Pair { before: None, after: None });
        pair.after = Some(manifest);
    }
    all.into_values().collect()
}

impl Pair {
    /// Byte for byte.
    pub fn is_same(&self) -> bool {
        self.before.as_ref().map(|m| &m.load.digest) == self.after.as_ref().map(|m| &m.load.digest)
    }

    /// The difference as `diff -u` shows it.
    pub fn unified(&self) -> String {
        let text = |m: &Option<ServedManifest>| m.as_ref().map(|m| m.text.clone()).unwrap_or_default();
        let title = |m: &Option<ServedManifest>| m.as_ref().map_or_else(|| "not served".to_owned(), |m| title(&m.load));
        let (before, after) = (text(&self.before), text(&self.after));
        let diff = similar::TextDiff::from_lines(&before, &after);
        let mut unified = diff.unified_diff();
        unified.context_radius(CONTEXT).header(&title(&self.before), &title(&self.after)).to_string()
    }

    /// The difference in words, a line each.
    pub fn meaning(&self) -> Vec<String> {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => meaning(&before.load.object, &before.text, &after.text),
            (Some(_), None) => vec!["no longer asked for".to_owned()],
            (None, Some(_)) => vec!["not asked for before".to_owned()],
            (None, None) => Vec::new(),
        }
    }

    /// For programs.
    pub fn difference(&self) -> Difference {
        let load = |m: &Option<ServedManifest>| m.as_ref().map(|m| m.load.clone());
        let same = self.is_same();
        Difference {
            before: load(&self.before),
            after: load(&self.after),
            same,
            meaning: if same { Vec::new() } else { self.meaning() },
            unified: if same { String::new() } else { self.unified() },
        }
    }

    /// For people at a terminal.
    pub fn text(&self) -> String {
        let Some(load) = self.before.as_ref().or(self.after.as_ref()).map(|m| &m.load) else { return String::new() };
        if self.is_same() {
            return format!("{}: the same\n", name(load));
        }
        let mut out = format!("{}:\n", name(load));
        let meaning = self.meaning();
        if meaning.is_empty() {
            out.push_str("  other text of the same meaning\n");
        }
        for line in meaning {
            let _ = writeln!(out, "  {line}");
        }
        out.push_str(&self.unified());
        out
    }
}

/// Differences by meaning of two manifests of one kind.
fn meaning(object: &str, before: &str, after: &str) -> Vec<String> {
    if object == "mpd" {
        return mpd_meaning(before, after);
    }
    let read = |text: &str| ow_hls::parse(text.as_bytes(), ow_hls::Variables::default()).0;
    ow_hls::diff(&read(before), &read(after)).iter().map(ToString::to_string).collect()
}

fn mpd_meaning(before: &str, after: &str) -> Vec<String> {
    use ow_dash::{Document, parse};
    match (parse(before.as_bytes()).0, parse(after.as_bytes()).0) {
        (Document::Mpd(before), Document::Mpd(after)) => {
            ow_dash::diff(&before, &after).iter().map(ToString::to_string).collect()
        }
        (Document::Mpd(_), _) => vec!["no MPD any more".to_owned()],
        (_, Document::Mpd(_)) => vec!["an MPD again".to_owned()],
        _ => vec!["neither is an MPD".to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use ow_domain::Time;

    use super::*;

    fn served(track: Option<&str>, text: &str) -> ServedManifest {
        let object = if track.is_some() { "media-playlist" } else { "mvp" };
        let load = StoredLoad {
            stream: "main".into(),
            object: object.into(),
            track: track.map(str::to_owned),
            probe: "p1".into(),
            at: Time::UNIX_EPOCH,
            url: "http://h/a.m3u8".into(),
            status: Some(200),
            failure: None,
            digest: Some(text.len().to_string()),
            capture: String::new(),
        };
        ServedManifest { load, text: text.to_owned(), lossy: false }
    }

    #[test]
    fn mpds_are_compared_by_meaning() {
        let mpd = |published: u32| {
            format!(
                "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"dynamic\" publishTime=\"2026-11-22T09:41:0{published}Z\" \
                 profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" minBufferTime=\"PT2S\"><Period id=\"p1\" start=\"PT0S\"/></MPD>"
            )
        };
        assert_eq!(meaning("mpd", &mpd(1), &mpd(1).replace("<Period", "\n<Period")), [] as [&str; 0]);
        let told = meaning("mpd", &mpd(1), &mpd(3));
        assert!(told.len() == 1 && told[0].starts_with("MPD: publishTime"), "{told:?}");
        assert_eq!(meaning("mpd", &mpd(1), "<html/>"), ["no MPD any more"]);
    }

    #[test]
    fn differences_are_shown_in_words_and_as_text() {
        let live = |first: u64| {
            let list: String = (first..first + 3).map(|n| format!("#EXTINF:6,\ns{n}.ts\n")).collect();
            format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:{first}\n{list}")
        };
        let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n";
        let before = vec![served(None, master), served(Some("v1"), &live(8)), served(Some("v2"), master)];
        let after = vec![served(None, master), served(Some("v1"), &live(11))];
        let pairs = pairs(before, after);
        let text: Vec<String> = pairs.iter().map(Pair::text).collect();
        assert_eq!(text[0], "main mvp by p1: the same\n");
        for told in [
            "window moved from MSN 8..10 to 11..13: no segment is in both\n",
            "-#EXT-X-MEDIA-SEQUENCE:8\n+#EXT-X-MEDIA-SEQUENCE:11\n",
            "--- main media-playlist v1 by p1 1970-01-01T00:00:00.000000Z 200 http://h/a.m3u8 ",
        ] {
            assert!(text[1].contains(told), "{told}: {}", text[1]);
        }
        assert!(text[2].contains("no longer asked for") && text[2].contains("+++ not served"), "{}", text[2]);
        assert_eq!(pairs[1].difference().meaning[0], "window moved from MSN 8..10 to 11..13: no segment is in both");
    }
}
