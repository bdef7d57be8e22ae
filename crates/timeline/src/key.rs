//! Identity of a segment across polls (CHECKS 5.1 step 3): path and byte range; scheme, host, query and fragment are
//! dropped, because tokens and host rotation change them.

use ow_hls::{ByteRange, Map, Segment};
use serde::{Deserialize, Serialize};

/// 64-bit identity of a segment within one rendition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SegmentKey(pub u64);

/// What of a URL is a token and no identity.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyRules {
    /// Query parameters that are dropped where the query has to tell segments apart.
    pub token_params: Vec<String>,
    /// Path elements that start with one of these are session tokens: `hdnts=`, `sid_`.
    pub token_path_prefixes: Vec<String>,
}

impl KeyRules {
    /// Key of every segment of a playlist loaded from `base`, in order.
    ///
    /// The query comes in only where two segments would share a key. Segments that share one even then (slate loops)
    /// keep the same key: the tracker aligns those by position.
    pub fn keys(&self, base: &str, segments: &[Segment]) -> Vec<SegmentKey> {
        let base = Base::new(base);
        let mut keys: Vec<SegmentKey> = segments.iter().map(|s| self.key(&base, &s.uri, s.byte_range, false)).collect();
        if segments.iter().any(|s| s.uri.contains('?')) && has_duplicates(&keys) {
            let mut sorted = keys.clone();
            sorted.sort_unstable();
            let shared = |key: &SegmentKey| {
                let at = sorted.partition_point(|k| k < key);
                sorted.get(at + 1) == Some(key)
            };
            for (key, segment) in keys.iter_mut().zip(segments) {
                if shared(key) {
                    *key = self.key(&base, &segment.uri, segment.byte_range, true);
                }
            }
        }
        keys
    }

    /// Identity of any reference in a playlist loaded from `base`: what stays of it without tokens and hosts.
    pub fn uri_key(&self, base: &str, uri: &str) -> SegmentKey {
        self.key(&Base::new(base), uri, None, false)
    }

    fn key(&self, base: &Base<'_>, uri: &str, range: Option<ByteRange>, with_query: bool) -> SegmentKey {
        let uri = uri.split_once('#').map_or(uri, |(head, _)| head);
        let (path, query) = uri.split_once('?').map_or((uri, ""), |(path, query)| (path, query));
        let mut hash = self.hash_path(base, path);
        if with_query {
            for pair in query.split('&') {
                let name = pair.split_once('=').map_or(pair, |(name, _)| name);
                if !self.token_params.iter().any(|token| token == name) {
                    hash = hash_bytes(hash, pair.as_bytes());
                }
            }
        }
        if let Some(range) = range {
            hash = mix(mix(hash, range.offset), range.length);
        }
        SegmentKey(hash)
    }

    fn hash_path(&self, base: &Base<'_>, path: &str) -> u64 {
        let path_only = strip_origin(path);
        let (directory, path) = match path_only {
            Some(absolute) => ("", absolute),
            None => (base.directory, path),
        };
        let plain = self.token_path_prefixes.is_empty() && !path.contains("./") && !path.contains("//");
        if plain {
            return hash_two(directory, path);
        }
        let mut elements: Vec<&str> = Vec::new();
        for element in directory.split('/').chain(path.split('/')) {
            match element {
                "" | "." => {}
                ".." => {
                    elements.pop();
                }
                token if self.token_path_prefixes.iter().any(|prefix| token.starts_with(prefix.as_str())) => {}
                element => elements.push(element),
            }
        }
        let joined = format!("/{}", elements.join("/"));
        hash_two("", &joined)
    }

    /// Identity of a MAP; 0 without one.
    pub(crate) fn map_identity(&self, base: &str, map: Option<&Map>) -> u64 {
        map.map_or(0, |map| self.key(&Base::new(base), &map.uri, map.byte_range, false).0.max(1))
    }

    /// Identity of a set of keys; 0 without any. The query of a key URI is dropped like that of a segment.
    pub(crate) fn keys_identity(&self, base: &str, keys: Option<&[ow_hls::Key]>) -> u64 {
        let Some(keys) = keys else { return 0 };
        let base = Base::new(base);
        let mut hash = 0;
        for key in keys {
            hash = hash_bytes(hash, key.method.as_str().as_bytes());
            hash = hash_bytes(hash, key.key_format.as_deref().unwrap_or("identity").as_bytes());
            if let Some(uri) = key.uri.as_deref() {
                let identity = if uri.starts_with("data:") {
                    hash_bytes(0, uri.as_bytes())
                } else {
                    self.key(&base, uri, None, false).0
                };
                hash = mix(hash, identity);
            }
            if let Some(iv) = key.iv.as_deref() {
                hash = hash_bytes(hash, iv.to_ascii_lowercase().as_bytes());
            }
        }
        hash.max(1)
    }
}

/// The directory of the playlist's own path, with leading and trailing slash.
struct Base<'a> {
    directory: &'a str,
}

impl<'a> Base<'a> {
    fn new(url: &'a str) -> Self {
        let end = url.find(['?', '#']).unwrap_or(url.len());
        let url = &url[..end];
        let path = strip_origin(url).unwrap_or(url);
        let directory = path.rfind('/').map_or("/", |slash| &path[..=slash]);
        Self { directory }
    }
}

/// The path of `scheme://host/path`, `//host/path` or `/path`; `None` for a relative reference.
fn strip_origin(reference: &str) -> Option<&str> {
    let after_scheme = match reference.find("://") {
        Some(at) if reference[..at].bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')) => {
            &reference[at + 3..]
        }
        _ => match reference.strip_prefix("//") {
            Some(rest) => rest,
            None => return reference.starts_with('/').then_some(reference),
        },
    };
    Some(after_scheme.find('/').map_or("/", |slash| &after_scheme[slash..]))
}

fn has_duplicates(keys: &[SegmentKey]) -> bool {
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| pair[0] == pair[1])
}

/// The hash of `a` followed by `b`, the same however the text is divided between them.
fn hash_two(a: &str, b: &str) -> u64 {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.is_empty() {
        return hash_bytes(0, b);
    }
    let mut joined = [0u8; 512];
    let n = a.len() + b.len();
    if n <= joined.len() {
        joined[..a.len()].copy_from_slice(a);
        joined[a.len()..n].copy_from_slice(b);
        hash_bytes(0, &joined[..n])
    } else {
        hash_bytes(0, &[a, b].concat())
    }
}

/// Eight bytes at a time, stable across versions and machines because it is part of snapshots. Not for secrets.
pub(crate) fn hash_bytes(seed: u64, bytes: &[u8]) -> u64 {
    let mut hash = mix(seed, bytes.len() as u64);
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        hash = mix(hash, u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        hash = mix(hash, u64::from_le_bytes(word));
    }
    hash
}

/// One round: 128-bit multiply, high and low halves folded (as wyhash does).
pub(crate) fn mix(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ 0x9e37_79b9_7f4a_7c15) * u128::from(word ^ 0xd6e8_feb8_6659_fd93);
    ((product >> 64) as u64) ^ (product as u64) ^ word.rotate_left(32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(base: &str, uri: &str) -> SegmentKey {
        KeyRules::default().key(&Base::new(base), uri, None, false)
    }

    #[test]
    fn keys_ignore_what_tokens_and_hosts_change() {
        let base = "https://a.example/live/v1/index.m3u8?session=1";
        let expected = key(base, "seg1.ts");
        for (base, uri) in [
            (base, "seg1.ts?token=2#x"),
            ("http://b.example:8080/live/v1/other.m3u8", "seg1.ts"),
            (base, "/live/v1/seg1.ts"),
            (base, "https://cdn.example/live/v1/seg1.ts?x"),
            (base, "//cdn.example/live/v1/seg1.ts"),
            (base, "./seg1.ts"),
            (base, "../v1/seg1.ts"),
            ("https://a.example/live/v1/deep/x.m3u8", "../seg1.ts"),
        ] {
            assert_eq!(key(base, uri), expected, "{base} {uri}");
        }
        for (base, uri) in
            [(base, "seg2.ts"), ("https://a.example/live/v2/index.m3u8", "seg1.ts"), (base, "/seg1.ts"), (base, "")]
        {
            assert_ne!(key(base, uri), expected, "{base} {uri}");
        }
        assert_eq!(key("https://a.example", "x.ts"), key("https://a.example/i.m3u8", "/x.ts"));
    }

    #[test]
    fn path_tokens_are_dropped_by_rule() {
        let rules = KeyRules { token_path_prefixes: vec!["sid_".into()], ..KeyRules::default() };
        let a = rules.key(&Base::new("https://h/sid_1/v/i.m3u8"), "s.ts", None, false);
        let b = rules.key(&Base::new("https://h/sid_2/v/i.m3u8"), "s.ts", None, false);
        assert_eq!(a, b);
    }

    #[test]
    fn the_query_counts_only_where_it_must() {
        let rules = KeyRules { token_params: vec!["t".into()], ..KeyRules::default() };
        let segments = |uris: &[&str]| -> Vec<Segment> {
            uris.iter().map(|uri| Segment { uri: (*uri).into(), ..Segment::default() }).collect()
        };
        let base = "https://h/i.m3u8";
        let a = rules.keys(base, &segments(&["s?n=1&t=a", "s?n=2&t=a"]));
        let b = rules.keys(base, &segments(&["s?n=1&t=b", "s?n=2&t=b"]));
        assert_eq!(a, b);
        assert_ne!(a[0], a[1]);
        let slate = rules.keys(base, &segments(&["slate.ts", "slate.ts"]));
        assert_eq!(slate[0], slate[1]);
    }

    #[test]
    fn byte_ranges_tell_segments_apart() {
        let range = |offset| Some(ByteRange { length: 10, offset, explicit: true });
        let rules = KeyRules::default();
        let base = Base::new("https://h/i.m3u8");
        assert_ne!(rules.key(&base, "f", range(0), false), rules.key(&base, "f", range(10), false));
    }
}
