//! `moov`: what an init section says of the tracks (ISO/IEC 14496-12 8.2 to 8.8).

use ow_domain::facts::{ElementaryFacts, EsKind};
use serde::{Deserialize, Serialize};

use super::{children, name_of};
use crate::bits::Fields;

/// What the fragments after an init section need of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitFacts {
    /// At most 16.
    pub tracks: Vec<InitTrack>,
}

/// One track of an init section.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InitTrack {
    pub id: u32,
    pub kind: EsKind,
    /// `h264`, `h265`, `aac`, `ac3`, `eac3`, or the sample entry.
    pub codec: String,
    /// RFC 6381.
    pub codec_string: Option<String>,
    pub timescale: u32,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub sample_rate: Option<u32>,
    pub channels: Option<u32>,
    /// Defaults of `trex`.
    pub default_duration: u32,
    pub default_size: u32,
    pub default_flags: u32,
    /// `media_time` of the first edit that is not empty, track timescale.
    pub edit_media_time: i64,
    pub encrypted: bool,
}

impl InitTrack {
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
            ..ElementaryFacts::default()
        }
    }
}

/// `None` when there is no track with an id and a timescale.
pub(crate) fn read(moov: &[u8]) -> Option<InitFacts> {
    let mut tracks: Vec<InitTrack> = Vec::new();
    let mut extends: Vec<(u32, u32, u32, u32)> = Vec::new();
    children(moov, &mut |kind, body| match &kind {
        b"trak" if tracks.len() < crate::MAX_ELEMENTARY => tracks.extend(track(body)),
        b"mvex" => children(body, &mut |kind, body| {
            if &kind == b"trex" && extends.len() < crate::MAX_ELEMENTARY {
                extends.extend(trex(body));
            }
        }),
        _ => {}
    });
    for (id, duration, size, flags) in extends {
        if let Some(track) = tracks.iter_mut().find(|t| t.id == id) {
            (track.default_duration, track.default_size, track.default_flags) = (duration, size, flags);
        }
    }
    (!tracks.is_empty()).then_some(InitFacts { tracks })
}

fn trex(body: &[u8]) -> Option<(u32, u32, u32, u32)> {
    let mut f = Fields(body);
    f.take(4)?;
    let id = f.u32()?;
    f.u32()?;
    Some((id, f.u32()?, f.u32()?, f.u32()?))
}

fn track(trak: &[u8]) -> Option<InitTrack> {
    let mut track = InitTrack::default();
    children(trak, &mut |kind, body| match &kind {
        b"tkhd" => track.id = tkhd_id(body).unwrap_or(0),
        b"edts" => children(body, &mut |kind, body| {
            if &kind == b"elst" {
                track.edit_media_time = edit_media_time(body).unwrap_or(0);
            }
        }),
        b"mdia" => children(body, &mut |kind, body| match &kind {
            b"mdhd" => track.timescale = mdhd_timescale(body).unwrap_or(0),
            b"hdlr" => {
                track.kind = match body.get(8..12) {
                    Some(b"vide") => EsKind::Video,
                    Some(b"soun") => EsKind::Audio,
                    Some(b"subt" | b"text" | b"sbtl") => EsKind::Text,
                    Some(b"meta") => EsKind::Data,
                    _ => EsKind::Other,
                };
            }
            b"minf" => children(body, &mut |kind, body| {
                if &kind == b"stbl" {
                    children(body, &mut |kind, body| {
                        if &kind == b"stsd" {
                            sample_entries(body, &mut track);
                        }
                    });
                }
            }),
            _ => {}
        }),
        _ => {}
    });
    (track.id != 0 && track.timescale != 0).then_some(track)
}

fn tkhd_id(body: &[u8]) -> Option<u32> {
    let mut f = Fields(body);
    let version = f.u8()?;
    f.take(if version == 1 { 19 } else { 11 })?;
    f.u32()
}

fn mdhd_timescale(body: &[u8]) -> Option<u32> {
    let mut f = Fields(body);
    let version = f.u8()?;
    f.take(if version == 1 { 19 } else { 11 })?;
    f.u32()
}

fn edit_media_time(body: &[u8]) -> Option<i64> {
    let mut f = Fields(body);
    let version = f.u8()?;
    f.take(3)?;
    let n = f.u32()?;
    for _ in 0..n.min(16) {
        let time = if version == 1 {
            f.u64()?;
            f.u64()? as i64
        } else {
            f.u32()?;
            i64::from(f.u32()? as i32)
        };
        f.u32()?;
        // -1 is an empty edit.
        if time >= 0 {
            return Some(time);
        }
    }
    None
}

fn sample_entries(stsd: &[u8], track: &mut InitTrack) {
    let Some(entries) = stsd.get(8..) else { return };
    let kind_of_track = track.kind;
    children(entries, &mut |kind, body| {
        if !track.codec.is_empty() {
            return;
        }
        track.encrypted = matches!(&kind, b"encv" | b"enca" | b"enct");
        track.codec = codec_name(kind);
        let inner = match kind_of_track {
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
                track.sample_rate = f.u32().map(|rate| rate >> 16);
                body.get(28..)
            }
            _ => None,
        };
        children(inner.unwrap_or_default(), &mut |child, body| match &child {
            b"sinf" => children(body, &mut |kind, body| {
                if &kind == b"frma"
                    && let Some(original) = Fields(body).four()
                {
                    track.codec = codec_name(original);
                }
            }),
            b"avcC" => {
                if let [_, profile, constraints, level, ..] = body {
                    track.codec_string = Some(format!("avc1.{profile:02x}{constraints:02x}{level:02x}"));
                }
            }
            b"hvcC" => track.codec_string = hvcc(body),
            b"esds" => track.codec_string = esds(body),
            b"dac3" => track.codec_string = Some("ac-3".to_owned()),
            b"dec3" => track.codec_string = Some("ec-3".to_owned()),
            _ => {}
        });
    });
}

fn codec_name(entry: [u8; 4]) -> String {
    match &entry {
        b"avc1" | b"avc3" => "h264".to_owned(),
        b"hvc1" | b"hev1" | b"dvh1" | b"dvhe" => "h265".to_owned(),
        b"av01" => "av1".to_owned(),
        b"mp4a" => "aac".to_owned(),
        b"ac-3" => "ac3".to_owned(),
        b"ec-3" => "eac3".to_owned(),
        other => name_of(*other),
    }
}

fn hvcc(body: &[u8]) -> Option<String> {
    let mut f = Fields(body);
    f.u8()?;
    let profile = f.u8()?;
    let compatibility = f.u32()?;
    let constraints = f.take(6)?;
    let level = f.u8()?;
    let space = ["", "A", "B", "C"][usize::from(profile >> 6)];
    let tier = if profile & 0x20 != 0 { 'H' } else { 'L' };
    let mut text = format!("hvc1.{space}{}.{:X}.{tier}{level}", profile & 0x1f, compatibility.reverse_bits());
    let last = constraints.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
    for byte in &constraints[..last] {
        text += &format!(".{byte:X}");
    }
    Some(text)
}

/// MPEG-4 elementary stream descriptor: the audio object type (ISO/IEC 14496-1 7.2.6).
fn esds(body: &[u8]) -> Option<String> {
    fn descriptor<'b>(f: &mut Fields<'b>) -> Option<(u8, &'b [u8])> {
        let tag = f.u8()?;
        let mut length = 0_usize;
        for _ in 0..4 {
            let byte = f.u8()?;
            length = length << 7 | usize::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                break;
            }
        }
        let length = length.min(f.0.len());
        Some((tag, f.take(length)?))
    }
    let mut f = Fields(body.get(4..)?);
    let (_, es) = descriptor(&mut f).filter(|(tag, _)| *tag == 3)?;
    let mut es = Fields(es);
    es.u16()?;
    let flags = es.u8()?;
    es.take(if flags & 0x80 != 0 { 2 } else { 0 } + if flags & 0x20 != 0 { 2 } else { 0 })?;
    let (_, config) = descriptor(&mut es).filter(|(tag, _)| *tag == 4)?;
    let mut config = Fields(config);
    let object = config.u8()?;
    config.take(12)?;
    if object != 0x40 {
        return Some(format!("mp4a.{object:02x}"));
    }
    let (_, specific) = descriptor(&mut config).filter(|(tag, _)| *tag == 5)?;
    let (first, second) = (*specific.first()?, specific.get(1).copied().unwrap_or(0));
    let audio = match first >> 3 {
        31 => 32 + u32::from((first & 7) << 3 | second >> 5),
        short => u32::from(short),
    };
    Some(format!("mp4a.40.{audio}"))
}
