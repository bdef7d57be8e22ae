//! The canonical form of a multivariant playlist: what is offered, without order, hosts and tokens (CHECKS 5.1.3).

use std::collections::{BTreeMap, BTreeSet};

use ow_hls::{ClosedCaptions, MultivariantPlaylist, Variant};

use crate::judge::memory::{MAX_MVP_LINES, MvpMemory};

/// Path of a reference: scheme, host, query and fragment dropped.
pub(crate) fn path(uri: &str) -> &str {
    let end = uri.find(['?', '#']).unwrap_or(uri.len());
    let uri = &uri[..end];
    match uri.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => uri,
    }
}

fn variant(kind: &str, variant: &Variant) -> (String, String) {
    let name = format!("{kind} {}", path(&variant.uri));
    let mut parts = Vec::new();
    let mut part = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            parts.push(format!("{name}={value}"));
        }
    };
    part("BANDWIDTH", variant.bandwidth.map(|b| b.to_string()));
    part("CODECS", (!variant.codecs.is_empty()).then(|| variant.codecs.join(",")));
    part("RESOLUTION", variant.resolution.map(|r| format!("{}x{}", r.width, r.height)));
    part("FRAME-RATE", variant.frame_rate_milli.map(|f| f.to_string()));
    part("VIDEO-RANGE", variant.video_range.as_deref().map(str::to_owned));
    part("AUDIO", variant.audio.as_deref().map(str::to_owned));
    part("VIDEO", variant.video.as_deref().map(str::to_owned));
    part("SUBTITLES", variant.subtitles.as_deref().map(str::to_owned));
    part(
        "CLOSED-CAPTIONS",
        variant.closed_captions.as_ref().map(|cc| match cc {
            ClosedCaptions::None => "NONE".to_owned(),
            ClosedCaptions::Group(group) => group.to_string(),
        }),
    );
    (name, parts.join(" "))
}

/// What the playlist offers, at most 512 entries.
pub(crate) fn canonical(playlist: &MultivariantPlaylist) -> MvpMemory {
    let mut entries: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let variants = playlist.variants.iter().map(|v| variant("variant", v));
    let i_frames = playlist.i_frame_variants.iter().map(|v| variant("I-frame variant", v));
    let media = playlist.media.iter().map(|m| {
        let name = format!("rendition {}/{}/{}", type_name(m.media_type), m.group_id, m.name);
        let mut parts = Vec::new();
        if let Some(uri) = &m.uri {
            parts.push(format!("URI={}", path(uri)));
        }
        if let Some(language) = &m.language {
            parts.push(format!("LANGUAGE={language}"));
        }
        if let Some(channels) = &m.channels {
            parts.push(format!("CHANNELS={channels}"));
        }
        parts.push(format!("DEFAULT={} FORCED={}", m.default, m.forced));
        (name, parts.join(" "))
    });
    for (name, attributes) in variants.chain(i_frames).chain(media).take(MAX_MVP_LINES) {
        entries.entry(name).or_default().insert(attributes);
    }
    MvpMemory { entries }
}

fn type_name(media_type: ow_hls::MediaType) -> &'static str {
    match media_type {
        ow_hls::MediaType::Audio => "AUDIO",
        ow_hls::MediaType::Video => "VIDEO",
        ow_hls::MediaType::Subtitles => "SUBTITLES",
        ow_hls::MediaType::ClosedCaptions => "CLOSED-CAPTIONS",
        ow_hls::MediaType::Other => "OTHER",
    }
}

/// What differs between two canonical forms.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    pub added: Vec<String>,
    pub removed: Vec<String>,
    /// Name, before, now.
    pub altered: Vec<(String, String, String)>,
}

impl MvpMemory {
    pub(crate) fn difference(&self, now: &MvpMemory) -> Difference {
        let join = |set: &BTreeSet<String>| set.iter().map(String::as_str).collect::<Vec<_>>().join(" | ");
        let mut difference = Difference::default();
        for (name, before) in &self.entries {
            match now.entries.get(name) {
                None => difference.removed.push(name.clone()),
                Some(after) if !same_offer(before, after) => {
                    difference.altered.push((name.clone(), join(before), join(after)));
                }
                Some(_) => {}
            }
        }
        let added = now.entries.keys().filter(|name| !self.entries.contains_key(*name));
        difference.added.extend(added.cloned());
        difference
    }
}

/// Packagers that measure write another BANDWIDTH at each load: up to a quarter more or less is the same offer, and the
/// average is no part of it.
fn same_offer(before: &BTreeSet<String>, after: &BTreeSet<String>) -> bool {
    fn split(attributes: &str) -> (Option<u64>, &str) {
        let Some(rest) = attributes.strip_prefix("BANDWIDTH=") else { return (None, attributes) };
        let (rate, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        (rate.parse().ok(), rest)
    }
    let near = |a: Option<u64>, b: Option<u64>| match (a, b) {
        (Some(a), Some(b)) => a.abs_diff(b).saturating_mul(4) <= a.max(b),
        (a, b) => a.is_none() && b.is_none(),
    };
    let sorted = |set: &BTreeSet<String>| {
        let mut all: Vec<(String, Option<u64>)> =
            set.iter().map(|text| split(text)).map(|(rate, rest)| (rest.to_owned(), rate)).collect();
        all.sort();
        all
    };
    let (before, after) = (sorted(before), sorted(after));
    before.len() == after.len() && before.iter().zip(&after).all(|(a, b)| a.0 == b.0 && near(a.1, b.1))
}

impl Difference {
    pub(crate) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.altered.is_empty()
    }
}
