//! Keys of whole-segment encryption: the newest key of each rendition is asked for when it appears, and again from time
//! to time, so that a key server that fails is seen before players need it. The bytes of a key are never kept.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ow_domain::{Span, Time};
use ow_hls::{Key, KeyMethod, Segment};
use ow_media::ClearKey;
use url::Url;

/// A key that works is looked at again after this.
const AGAIN: Span = Span::from_secs(60);
/// One that never worked, for which players are waiting, and one that did not decrypt a segment: it may be another by now.
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
    bytes: Option<Secret>,
    /// When they came.
    came_at: Time,
    doubted: Arc<AtomicBool>,
}

/// Bytes of a key, which `Debug` does not show.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Secret(pub [u8; 16]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// How a segment can be decrypted.
#[derive(Debug, Clone)]
pub(super) struct Opener {
    pub with: ClearKey,
    /// When the key was fetched.
    pub key_at: Time,
    /// To be set where the key opened nothing: it is asked for again soon.
    pub doubted: Arc<AtomicBool>,
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
                let is_sure = known.worked && !known.doubted.load(Ordering::Relaxed);
                let pause = if is_sure { AGAIN } else { AGAIN_FAILED };
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
                bytes: None,
                came_at: now,
                doubted: Arc::default(),
            });
            known.doubted.store(false, Ordering::Relaxed);
            (known.asked_at, known.under_way) = (now, true);
            due.push(DueKey { url, method, again: known.worked });
        }
        due
    }

    /// The request for a key has ended: when, whether it worked, and its bytes where it is one of 128 bits.
    pub(super) fn done(&mut self, url: &str, at: Time, worked: bool, bytes: Option<Secret>) {
        if let Some(known) = self.keys.get_mut(url) {
            known.under_way = false;
            known.worked |= worked;
            if worked {
                (known.bytes, known.came_at) = (bytes, at);
            }
        }
    }

    /// For a segment that is encrypted as a whole with a key that is here. `number`: its media sequence number.
    pub(super) fn opener(&self, base: &Url, segment: &Segment, number: u64) -> Option<Opener> {
        let keys = segment.keys.as_deref().unwrap_or_default();
        let key = keys.iter().find(|key| key.method == KeyMethod::Aes128)?;
        let (url, _) = fetchable(base, key)?;
        let known = self.keys.get(&url)?;
        let with = ClearKey { key: known.bytes?.0, iv: vector(key.iv.as_deref(), number)? };
        Some(Opener { with, key_at: known.came_at, doubted: known.doubted.clone() })
    }
}

/// The IV attribute, else the media sequence number (RFC 8216 5.2). `None` for what is no number of 128 bits.
fn vector(text: Option<&str>, number: u64) -> Option<[u8; 16]> {
    let Some(text) = text else { return Some(u128::from(number).to_be_bytes()) };
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
    u128::from_str_radix(digits, 16).ok().filter(|_| is_hex).map(u128::to_be_bytes)
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
        table.done("http://o.example/k", Time::UNIX_EPOCH, false, None);
        assert_eq!(asked(21, &mut table), Some(false), "it never worked");
        table.done("http://o.example/k", Time::UNIX_EPOCH, true, None);
        assert_eq!(asked(80, &mut table), None);
        assert_eq!(asked(81, &mut table), Some(true));
        table.done("http://o.example/k", Time::UNIX_EPOCH, false, None);
        assert_eq!(asked(100, &mut table), None);
    }

    #[test]
    fn segments_are_opened_with_the_key_that_is_here() {
        let base = Url::parse("http://o.example/a/index.m3u8").unwrap();
        let (url, key) = ("http://o.example/a/k", [9; 16]);
        let mut table = KeyTable::default();
        let plain = newest("#EXT-X-KEY:METHOD=AES-128,URI=\"k\"");
        let at = |second: i64| Time::from_unix_micros(second * 1_000_000);
        assert_eq!(table.due(&base, &plain, at(0)).len(), 1);
        assert!(table.opener(&base, &plain, 5).is_none(), "it did not come yet");
        table.done(url, at(1), true, Some(Secret(key)));
        for (tags, number, iv) in [
            ("#EXT-X-KEY:METHOD=AES-128,URI=\"k\"", 0x105, Some(0x105)),
            ("#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x00000000000000000000000000000A0B", 5, Some(0xa0b)),
            ("#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x+1", 5, None),
            ("#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=12", 5, None),
            ("#EXT-X-KEY:METHOD=AES-128,URI=\"k2\"", 5, None),
            ("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"", 5, None),
            ("", 5, None),
        ] {
            let opener = table.opener(&base, &newest(tags), number);
            let expected = iv.map(|iv: u128| ClearKey { key, iv: iv.to_be_bytes() });
            assert_eq!(opener.map(|o| o.with), expected, "{tags}");
        }
        // A key that opens nothing is fetched anew, once.
        let opener = table.opener(&base, &plain, 5).unwrap();
        assert_eq!(opener.key_at, at(1));
        assert!(table.due(&base, &plain, at(20)).is_empty());
        opener.doubted.store(true, Ordering::Relaxed);
        assert_eq!(table.due(&base, &plain, at(20)).len(), 1);
        table.done(url, at(20), true, Some(Secret([8; 16])));
        assert!(table.due(&base, &plain, at(40)).is_empty());
        assert_eq!(table.opener(&base, &plain, 5).unwrap().with.key, [8; 16]);
        assert!(!format!("{table:?}").contains('8'), "{table:?}");
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
