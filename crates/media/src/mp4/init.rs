//! `moov`: what an init section says of the tracks (ISO/IEC 14496-12 8.2 to 8.8).

use ow_domain::facts::{ElementaryFacts, EsKind, Mp4Track, Pssh, VideoFacts};
use serde::{Deserialize, Serialize};

use super::boxes::{children, digest, full, name_of};
use super::{codec, protection};
use crate::bits::Fields;
use crate::sps;

/// Sample entries told of one track.
const MAX_ENTRIES: usize = 8;
/// `pssh` boxes kept.
pub(crate) const MAX_PSSH: usize = 16;

/// What the fragments after an init section need of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitFacts {
    /// FNV-1a (64 bit, hex) of `moov`: tells init sections apart.
    pub digest: String,
    /// At most 16.
    pub tracks: Vec<InitTrack>,
}

/// One track of an init section.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InitTrack {
    pub id: u32,
    pub kind: EsKind,
    /// `h264`, `h265`, `av1`, `aac`, `ac3`, `eac3`, `stpp`, `wvtt`, or the sample entry.
    pub codec: String,
    /// RFC 6381.
    pub codec_string: Option<String>,
    pub timescale: u32,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub sample_rate: Option<u32>,
    pub channels: Option<u32>,
    pub language: Option<String>,
    pub video: Option<VideoFacts>,
    /// Defaults of `trex`; the description index is 0 without one.
    pub default_description: u32,
    pub default_duration: u32,
    pub default_size: u32,
    pub default_flags: u32,
    /// What the edit list takes off presentation times, track timescale: `media_time` of the first edit that is not
    /// empty, less the empty edits before it.
    pub edit_media_time: i64,
    pub encrypted: bool,
    /// Sample entries in the clear beside the first, by place from 0: those of a clear lead.
    pub clear_entries: Vec<u8>,
    /// `default_Per_Sample_IV_Size`.
    pub iv_bytes: u8,
    /// Bytes of the length before each NAL unit; 0 when samples hold none.
    pub nal_length_bytes: u8,
}

impl InitTrack {
    /// The sample entry `index`, from 1, is a protected one.
    pub(crate) fn is_protected(&self, index: u32) -> bool {
        let place = index.saturating_sub(1);
        self.encrypted && (place == 0 || !self.clear_entries.iter().any(|clear| u32::from(*clear) == place))
    }

    pub(crate) fn facts(&self) -> ElementaryFacts {
        ElementaryFacts {
            id: self.id,
            kind: self.kind,
            codec: self.codec.clone(),
            timescale: self.timescale,
            width: self.width,
            height: self.height,
            sample_rate: self.sample_rate,
            channels: self.channels,
            codec_string: self.codec_string.clone(),
            encrypted: self.encrypted,
            language: self.language.clone(),
            video: self.video.clone(),
            ..ElementaryFacts::default()
        }
    }
}

/// All that was read of a `moov`.
#[derive(Default)]
pub(crate) struct Read {
    /// Tracks with an id and a timescale: for the parser and for the facts, in the same order.
    pub(crate) tracks: Vec<InitTrack>,
    pub(crate) told: Vec<Mp4Track>,
    pub(crate) pssh: Vec<Pssh>,
    /// Child boxes did not fill their parent.
    pub(crate) overruns: bool,
    /// `trak` boxes without what makes a track.
    pub(crate) n_unreadable: u32,
    /// `pssh` boxes that end before their header does.
    pub(crate) n_bad_pssh: u32,
}

struct Trex {
    id: u32,
    description: u32,
    duration: u32,
    size: u32,
    flags: u32,
}

pub(crate) fn read(moov: &[u8]) -> Read {
    let mut read = Read::default();
    let mut extends: Vec<Trex> = Vec::new();
    let mut movie_timescale = 0;
    let mut traks: Vec<&[u8]> = Vec::new();
    let mut fits = true;
    let outer = children(moov, &mut |kind, body| match &kind {
        b"mvhd" => movie_timescale = timescale(body).unwrap_or(0),
        b"trak" if traks.len() < crate::MAX_ELEMENTARY => traks.push(body),
        b"mvex" => {
            fits &= children(body, &mut |kind, body| {
                if &kind == b"trex" && extends.len() < crate::MAX_ELEMENTARY {
                    extends.extend(trex(body));
                }
            });
        }
        b"pssh" if read.pssh.len() < MAX_PSSH => match protection::pssh(body, false) {
            Some(pssh) => read.pssh.push(pssh),
            None => read.n_bad_pssh += 1,
        },
        _ => {}
    });
    read.overruns = !(outer && fits);
    for trak in traks {
        match track(trak, movie_timescale, &mut read.overruns) {
            Some((track, told)) => {
                read.tracks.push(track);
                read.told.push(told);
            }
            None => read.n_unreadable += 1,
        }
    }
    for trex in extends {
        if let Some(track) = read.tracks.iter_mut().find(|t| t.id == trex.id) {
            track.default_description = trex.description;
            (track.default_duration, track.default_size, track.default_flags) = (trex.duration, trex.size, trex.flags);
        }
        if let Some(told) = read.told.iter_mut().find(|t| t.id == trex.id) {
            told.has_trex = true;
        }
    }
    read
}

fn trex(body: &[u8]) -> Option<Trex> {
    let (_, _, mut f) = full(body)?;
    Some(Trex { id: f.u32()?, description: f.u32()?, duration: f.u32()?, size: f.u32()?, flags: f.u32()? })
}

fn track(trak: &[u8], movie_timescale: u32, overruns: &mut bool) -> Option<(InitTrack, Mp4Track)> {
    let mut track = InitTrack::default();
    let mut told = Mp4Track::default();
    let mut edits = None;
    let mut stbl: &[u8] = &[];
    let mut fits = children(trak, &mut |kind, body| match &kind {
        b"tkhd" => track.id = timescale(body).unwrap_or(0),
        b"edts" => {
            children(body, &mut |kind, body| {
                if &kind == b"elst" {
                    edits = edit_list(body);
                }
            });
        }
        b"mdia" => {
            let inner = children(body, &mut |kind, body| match &kind {
                b"mdhd" => {
                    track.timescale = timescale(body).unwrap_or(0);
                    track.language = language(body);
                }
                b"hdlr" => {
                    let handler = body.get(8..12).and_then(|b| <[u8; 4]>::try_from(b).ok()).unwrap_or_default();
                    told.handler = name_of(handler);
                    track.kind = match &handler {
                        b"vide" => EsKind::Video,
                        b"soun" => EsKind::Audio,
                        b"subt" | b"text" | b"sbtl" | b"clcp" => EsKind::Text,
                        b"meta" => EsKind::Data,
                        _ => EsKind::Other,
                    };
                }
                b"minf" => {
                    children(body, &mut |kind, body| {
                        if &kind == b"stbl" {
                            stbl = body;
                        }
                    });
                }
                _ => {}
            });
            *overruns |= !inner;
        }
        _ => {}
    });
    fits &= children(stbl, &mut |kind, body| match &kind {
        b"stsd" => sample_entries(body, &mut track, &mut told),
        b"stts" | b"stsc" | b"stco" | b"co64" => {
            told.has_samples |= full(body).and_then(|(_, _, mut f)| f.u32()).is_some_and(|n| n > 0);
        }
        _ => {}
    });
    *overruns |= !fits;
    (track.id != 0 && track.timescale != 0).then_some(())?;
    if let Some(edits) = edits {
        // Empty edits are in the timescale of the movie.
        let empty = match movie_timescale {
            0 => 0,
            movie => i128::from(edits.empty) * i128::from(track.timescale) / i128::from(movie),
        };
        track.edit_media_time = edits.media_time.saturating_sub(i64::try_from(empty).unwrap_or(0));
        told.n_edits = edits.n;
        told.edit_shift = track.edit_media_time;
    }
    (told.id, told.timescale, told.language) = (track.id, track.timescale, track.language.clone());
    Some((track, told))
}

/// The field after the two times of `mvhd`, `tkhd` and `mdhd`: timescale, track_ID, timescale.
fn timescale(body: &[u8]) -> Option<u32> {
    let (version, _, mut f) = full(body)?;
    f.take(if version == 1 { 16 } else { 8 })?;
    f.u32()
}

/// Three letters of five bits each.
fn language(mdhd: &[u8]) -> Option<String> {
    let (version, _, mut f) = full(mdhd)?;
    f.take(if version == 1 { 28 } else { 16 })?;
    let packed = f.u16()?;
    let code: String =
        [packed >> 10, packed >> 5, packed].iter().map(|five| char::from(0x60 + (*five & 0x1f) as u8)).collect();
    (code != "und" && code.bytes().all(|b| b.is_ascii_lowercase())).then_some(code)
}

struct Edits {
    n: u32,
    /// `media_time` of the first edit that is not empty.
    media_time: i64,
    /// Duration of the empty edits before it, movie timescale.
    empty: u64,
}

fn edit_list(body: &[u8]) -> Option<Edits> {
    let (version, _, mut f) = full(body)?;
    let n = f.u32()?;
    let mut edits = Edits { n, media_time: 0, empty: 0 };
    for _ in 0..n.min(16) {
        let (duration, time) =
            if version == 1 { (f.u64()?, f.u64()? as i64) } else { (u64::from(f.u32()?), i64::from(f.u32()? as i32)) };
        f.u32()?;
        if time >= 0 {
            edits.media_time = time;
            return Some(edits);
        }
        edits.empty = edits.empty.saturating_add(duration);
    }
    Some(edits)
}

fn sample_entries(stsd: &[u8], track: &mut InitTrack, told: &mut Mp4Track) {
    let Some(entries) = stsd.get(8..) else { return };
    children(entries, &mut |kind, body| {
        if told.sample_entries.len() >= MAX_ENTRIES {
            return;
        }
        told.sample_entries.push(name_of(kind));
        let protected = matches!(&kind, b"encv" | b"enca" | b"enct" | b"encs");
        if told.sample_entries.len() > 1 && !protected {
            track.clear_entries.push(told.sample_entries.len() as u8 - 1);
        }
        if told.sample_entries.len() == 1 {
            sample_entry(kind, body, track, told);
        }
    });
}

/// The first entry stands for the track.
fn sample_entry(kind: [u8; 4], body: &[u8], track: &mut InitTrack, told: &mut Mp4Track) {
    let wrapped = matches!(&kind, b"encv" | b"enca" | b"enct" | b"encs");
    let inner = match track.kind {
        EsKind::Video => {
            let mut f = Fields(body.get(24..).unwrap_or_default());
            track.width = f.u16().map(u32::from);
            track.height = f.u16().map(u32::from);
            body.get(78..)
        }
        EsKind::Audio => {
            let mut f = Fields(body.get(16..).unwrap_or_default());
            track.channels = f.u16().map(u32::from);
            f.take(6);
            track.sample_rate = f.u32().map(|rate| rate >> 16).filter(|rate| *rate > 0);
            // QuickTime version 1 has 16 more bytes.
            let version = Fields(body.get(8..).unwrap_or_default()).u16();
            body.get(if version == Some(1) { 44 } else { 28 }..)
        }
        _ => None,
    };
    let inner = inner.unwrap_or_default();
    let mut entry = kind;
    children(inner, &mut |child, body| {
        if &child == b"sinf" && told.protection.is_none() {
            let (original, protection) = protection::sinf(body);
            entry = original.unwrap_or(entry);
            told.protection = Some(protection);
        }
    });
    let mut config =
        codec::Config { codec_string: codec::plain_string(entry).map(str::to_owned), ..Default::default() };
    let mut parts: Vec<&[u8]> = Vec::new();
    children(inner, &mut |child, body| {
        if codec::is_config(child) && parts.len() < 8 {
            codec::read(&mut config, entry, child, body);
            parts.push(body);
        }
    });
    track.codec = codec::name(entry);
    track.codec_string = config.codec_string;
    track.channels = config.channels.or(track.channels);
    track.nal_length_bytes = config.nal_length_bytes;
    let parsed = config.sps.and_then(|nal| match track.codec.as_str() {
        "h264" => sps::h264(&nal),
        _ => sps::h265(&nal),
    });
    track.video = parsed.map(|sps| sps.video);
    if !parts.is_empty() {
        told.config_digest = Some(digest(parts));
    }
    let says = told.protection.as_ref().and_then(|p| p.is_protected);
    track.encrypted = wrapped && says.unwrap_or(true);
    track.iv_bytes = told.protection.as_ref().map_or(0, |p| p.iv_bytes);
}
