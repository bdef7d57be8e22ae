use ow_domain::Severity;
use ow_hls::{Key, KeyMethod, Map};

use crate::input::PlaylistLoad;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       EXT-X-KEY tags that break their own rules: no URI, an IV that is no 128 bits, an IV that METHOD forbids.
    /// Matters:       Players refuse the playlist or decrypt with a wrong IV: nothing can be watched.
    /// Usual causes:  A template edited by hand, an IV written without 0x, METHOD changed and its attributes kept.
    /// Stays quiet:   For METHODs and KEYFORMATs that are not known, which players ignore.
    id: "drm-key-tag-invalid", title: "EXT-X-KEY breaks its rules", severity: Major, hold: "H2", clear: "C1", since: "0.2",
    spec: [bis("4.4.4.4"), bis("4.4.4.5")], input: PlaylistLoad, scope: Track, params: {},
}

fn run(load: &PlaylistLoad<'_>, _: &Params, out: &mut Outcome) {
    let Some(playlist) = load.playlist else { return };
    let mut seen = (0, 0);
    for segment in &playlist.segments {
        let keys = segment.keys.as_deref().unwrap_or_default();
        let line = keys.iter().map(|key| key.line).max().unwrap_or(0);
        let map_line = segment.map.as_ref().map_or(0, |map| map.line);
        // Keys are shared by all segments up to the next tag.
        if keys.is_empty() || (line, map_line) == seen {
            continue;
        }
        seen = (line, map_line);
        let fault = keys.iter().find_map(|key| Some((key, fault(key, segment.map.as_deref())?)));
        let fault = fault.or_else(|| Some((keys.last()?, families(keys)?)));
        if let Some((key, (value, limit))) = fault {
            let message = format!("EXT-X-KEY with METHOD {} has {value}; {limit} expected", key.method.as_str());
            out.fail(Severity::Major, value, limit, message).line(key.line);
            return;
        }
    }
    out.pass();
}

type Fault = (&'static str, &'static str);

fn fault(key: &Key, map: Option<&Map>) -> Option<Fault> {
    let method = key.method.as_str();
    let format = key.key_format.as_deref().unwrap_or("identity");
    if method.is_empty() {
        return Some(("no METHOD", "one"));
    }
    if key.uri.as_deref().is_none_or(str::is_empty) {
        return Some(("no URI", "one"));
    }
    let is_hex = |iv: &str| {
        let digits = iv.strip_prefix("0x").or_else(|| iv.strip_prefix("0X"));
        digits.is_some_and(|d| !d.is_empty() && d.len() <= 32 && d.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    if key.iv.as_deref().is_some_and(|iv| !is_hex(iv)) {
        return Some(("an IV that is no hexadecimal number of 128 bits", "0x and at most 32 digits"));
    }
    match method {
        "AES-256-GCM" | "SAMPLE-AES-CTR" if key.iv.is_some() => Some(("an IV", "none, as the segments carry it")),
        "AES-128" if format != "identity" && is_known(format) => Some(("another KEYFORMAT", "identity")),
        // Only a tag before EXT-X-MAP is for it.
        "AES-128" if key.iv.is_none() && map.is_some_and(|map| map.line > key.line) => {
            Some(("no IV and an EXT-X-MAP that it encrypts", "an IV"))
        }
        _ => None,
    }
}

/// Systems that take keys of samples, never of whole segments.
fn is_known(format: &str) -> bool {
    let format = format.to_ascii_lowercase();
    format.starts_with("com.apple.streamingkeydelivery")
        || format.starts_with("urn:uuid:")
        || format.starts_with("com.microsoft")
}

/// Keys in force together are for the same bytes: whole segments, or samples.
fn families(keys: &[Key]) -> Option<Fault> {
    let whole = |key: &Key| match &key.method {
        KeyMethod::Aes128 => Some(true),
        KeyMethod::SampleAes | KeyMethod::SampleAesCtr => Some(false),
        KeyMethod::Other(text) => (&**text == "AES-256-GCM").then_some(true),
        KeyMethod::None => None,
    };
    let of: Vec<bool> = keys.iter().filter_map(whole).collect();
    let mixed = of.iter().any(|w| *w) && of.iter().any(|w| !*w);
    mixed.then_some(("another METHOD in force beside it", "one way of encryption for all KEYFORMATs"))
}
