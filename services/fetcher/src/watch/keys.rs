//! Keys of whole-segment encryption: the newest key of each rendition is asked for when it appears, and again from time
//! to time, so that a key server that fails is seen before players need it. The bytes of a key are never kept.

use std::collections::HashMap;

use ow_domain::{Span, Time};
use ow_hls::{Key, KeyMethod, Segment};
use url::Url;

/// A key that works is looked at again after this.
const AGAIN: Span = Span::from_secs(60);
/// One that never worked: players are waiting for it.
const AGAIN_FAILED: Span = Span::from_secs(10);
/// Keys remembered of one stream, and how long after they were listed last.
const MAX_KEYS: usize = 64;
const FORGET: Span = Span::from_secs(600);

/// The keys of one stream, shared by its renditions.
#[derive(Debug, Default)]
pub(super) struct KeyTable {
    keys: HashMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    listed_at: Time,
    asked_at: Time,
    /// It came whole with a good status at least once.
    worked: bool,
    under_way: bool,
}

/// A key to ask for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DueKey {
    pub url: String,
    pub method: String,
    /// It was fetched before and worked then.
    pub again: bool,
}

impl KeyTable {
    /// The keys of the newest segment of a playlist that are due at `now`.
    pub(super) fn due(&mut self, base: &Url, newest: &Segment, now: Time) -> Vec<DueKey> {
        self.keys.retain(|_, known| known.under_way || now - known.listed_at < FORGET);
        let mut due = Vec::new();
        for (url, method) in newest.keys.as_deref().unwrap_or_default().iter().filter_map(|key| fetchable(base, key)) {
            if let Some(known) = self.keys.get_mut(&url) {
                known.listed_at = now;
                let pause = if known.worked { AGAIN } else { AGAIN_FAILED };
                if known.under_way || now - known.asked_at < pause {
                    continue;
                }
            } else if self.keys.len() >= MAX_KEYS {
                continue;
            }
            let known = self.keys.entry(url.clone()).or_insert(Known {
                listed_at: now,
                asked_at: now,
                worked: false,
                under_way: true,
            });
            (known.asked_at, known.under_way) = (now, true);
            due.push(DueKey { url, method, again: known.worked });
        }
        due
    }

    /// The request for a key has ended.
    pub(super) fn done(&mut self, url: &str, worked: bool) {
        if let Some(known) = self.keys.get_mut(url) {
            known.under_way = false;
            known.worked |= worked;
        }
    }
}

/// Absolute URL and METHOD of a key that is a file on a web server; DRM systems have their own ways.
fn fetchable(base: &Url, key: &Key) -> Option<(String, String)> {
    let is_identity = key.key_format.as_deref().is_none_or(|format| format == "identity");
    let is_known = match &key.method {
        KeyMethod::Aes128 | KeyMethod::SampleAes | KeyMethod::SampleAesCtr => true,
        KeyMethod::Other(method) => &**method == "AES-256-GCM",
        KeyMethod::None => false,
    };
    let url = base.join(key.uri.as_deref()?).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https");
    (is_identity && is_known && is_web).then(|| (url.into(), key.method.as_str().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newest(tags: &str) -> Segment {
        let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n{tags}\n#EXTINF:6,\na.ts\n");
        let (playlist, _) = ow_hls::parse(text.as_bytes(), ow_hls::Variables::default());
        playlist.as_media().unwrap().segments[0].clone()
    }

    #[test]
    fn only_keys_that_are_files_are_asked_for() {
        let base = Url::parse("http://o.example/live/a/index.m3u8").unwrap();
        for (tags, expected) in [
            ("#EXT-X-KEY:METHOD=AES-128,URI=\"k1?x=1\"", Some("http://o.example/live/a/k1?x=1")),
            (
                "#EXT-X-KEY:METHOD=AES-128,URI=\"https://keys.example/1\",KEYFORMAT=\"identity\"",
                Some("https://keys.example/1"),
            ),
            ("#EXT-X-KEY:METHOD=AES-128,URI=\"skd://one\"", None),
            ("#EXT-X-KEY:METHOD=AES-128,URI=\"data:;base64,AAAA\"", None),
            ("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"https://k/1\",KEYFORMAT=\"com.apple.streamingkeydelivery\"", None),
            ("#EXT-X-KEY:METHOD=NONE", None),
            ("", None),
        ] {
            let due = KeyTable::default().due(&base, &newest(tags), Time::from_unix_micros(0));
            assert_eq!(due.first().map(|k| k.url.as_str()), expected, "{tags}");
        }
    }

    #[test]
    fn a_key_is_asked_for_once_and_then_from_time_to_time() {
        let base = Url::parse("http://o.example/index.m3u8").unwrap();
        let segment = newest("#EXT-X-KEY:METHOD=AES-128,URI=\"k\"");
        let mut table = KeyTable::default();
        let asked = |second: i64, table: &mut KeyTable| {
            let due = table.due(&base, &segment, Time::from_unix_micros(second * 1_000_000));
            due.first().map(|key| key.again)
        };
        assert_eq!(asked(0, &mut table), Some(false));
        assert_eq!(asked(20, &mut table), None, "under way");
        table.done("http://o.example/k", false);
        assert_eq!(asked(21, &mut table), Some(false), "it never worked");
        table.done("http://o.example/k", true);
        assert_eq!(asked(80, &mut table), None);
        assert_eq!(asked(81, &mut table), Some(true));
        table.done("http://o.example/k", false);
        assert_eq!(asked(100, &mut table), None);
    }

    #[test]
    fn keys_are_bounded() {
        let base = Url::parse("http://o.example/index.m3u8").unwrap();
        let mut table = KeyTable::default();
        for n in 0..200 {
            let segment = newest(&format!("#EXT-X-KEY:METHOD=AES-128,URI=\"k{n}\""));
            table.due(&base, &segment, Time::from_unix_micros(0));
        }
        assert_eq!(table.keys.len(), MAX_KEYS);
    }
}
