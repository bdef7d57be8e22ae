//! `moof`: times, sizes and sync flags of the samples (ISO/IEC 14496-12 8.8).

use ow_domain::facts::{ElementaryFacts, EsKind};

use super::{InitFacts, InitTrack, children, unknown_track};
use crate::bits::Fields;

/// Most samples believed of one `trun` that lists none of them.
const MAX_SAMPLES: u32 = 1_000_000;
const NON_SYNC: u32 = 0x0001_0000;

/// All runs of one track in a segment.
#[derive(Debug, Default)]
pub(crate) struct TrackRun {
    pub(crate) track_id: u32,
    first_dts: Option<i64>,
    last_dts: i64,
    /// Decode time at the end of the last sample.
    end_dts: i64,
    min_pts: Option<i64>,
    max_end: i64,
    n_samples: u32,
    n_sync: u32,
    first_is_sync: Option<bool>,
    n_bytes: u64,
    sample_duration: Option<i64>,
    encrypted: bool,
}

/// What one `moof` says beside its runs.
#[derive(Default)]
pub(crate) struct Read {
    pub(crate) sequence_number: Option<u32>,
    pub(crate) tfdt_version: Option<u8>,
    pub(crate) issues: Vec<(&'static str, String)>,
}

/// `tfhd` over `trex` over nothing.
struct Defaults {
    duration: u32,
    size: u32,
    flags: u32,
}

pub(crate) fn read(moof: &[u8], init: Option<&InitFacts>, runs: &mut Vec<TrackRun>) -> Read {
    let mut result = Read::default();
    children(moof, &mut |kind, body| match &kind {
        b"mfhd" => result.sequence_number = Fields(body.get(4..).unwrap_or_default()).u32(),
        b"traf" => traf(body, init, runs, &mut result),
        _ => {}
    });
    result
}

fn traf(body: &[u8], init: Option<&InitFacts>, runs: &mut Vec<TrackRun>, result: &mut Read) {
    let mut header = None;
    let mut decode_time = None;
    let mut truns: Vec<&[u8]> = Vec::new();
    let mut encrypted = false;
    children(body, &mut |kind, body| match &kind {
        b"tfhd" => header = tfhd(body, init),
        b"tfdt" => decode_time = tfdt(body),
        b"trun" if truns.len() < 256 => truns.push(body),
        b"senc" | b"saiz" => encrypted = true,
        _ => {}
    });
    let Some((id, defaults)) = header else {
        result.issues.push(("mp4-tfhd-missing", "traf without a readable tfhd".to_owned()));
        return;
    };
    let at = match runs.iter().position(|r| r.track_id == id) {
        Some(at) => at,
        None if runs.len() < crate::MAX_ELEMENTARY => {
            runs.push(TrackRun { track_id: id, ..TrackRun::default() });
            runs.len() - 1
        }
        None => return,
    };
    let run = &mut runs[at];
    run.encrypted |= encrypted;
    match decode_time {
        Some((version, time)) => {
            result.tfdt_version = result.tfdt_version.or(Some(version));
            match i64::try_from(time) {
                Ok(time) => run.end_dts = time,
                Err(_) => {
                    result.issues.push(("mp4-tfdt-overflow", format!("baseMediaDecodeTime {time} is 2^63 or more")))
                }
            }
        }
        None if run.n_samples == 0 => result.issues.push(("mp4-tfdt-missing", format!("track {id} has no tfdt"))),
        None => {}
    }
    for trun in truns {
        if run.trun(trun, &defaults).is_none() {
            result.issues.push(("mp4-trun-short", format!("track {id}: trun ends before its last sample")));
        }
    }
}

fn tfhd(body: &[u8], init: Option<&InitFacts>) -> Option<(u32, Defaults)> {
    let mut f = Fields(body);
    let flags = f.u32()? & 0x00ff_ffff;
    let id = f.u32()?;
    let track = init.and_then(|i| i.tracks.iter().find(|t| t.id == id));
    let mut defaults = Defaults {
        duration: track.map_or(0, |t| t.default_duration),
        size: track.map_or(0, |t| t.default_size),
        flags: track.map_or(0, |t| t.default_flags),
    };
    if flags & 0x01 != 0 {
        f.u64()?;
    }
    if flags & 0x02 != 0 {
        f.u32()?;
    }
    if flags & 0x08 != 0 {
        defaults.duration = f.u32()?;
    }
    if flags & 0x10 != 0 {
        defaults.size = f.u32()?;
    }
    if flags & 0x20 != 0 {
        defaults.flags = f.u32()?;
    }
    Some((id, defaults))
}

fn tfdt(body: &[u8]) -> Option<(u8, u64)> {
    let mut f = Fields(body);
    let version = f.u8()?;
    f.take(3)?;
    Some((version, if version == 0 { u64::from(f.u32()?) } else { f.u64()? }))
}

impl TrackRun {
    fn trun(&mut self, body: &[u8], defaults: &Defaults) -> Option<()> {
        let mut f = Fields(body);
        let head = f.u32()?;
        let (version, flags) = (head >> 24, head & 0x00ff_ffff);
        let n = f.u32()?;
        if flags & 0x01 != 0 {
            f.u32()?;
        }
        let first_flags = if flags & 0x04 != 0 { Some(f.u32()?) } else { None };
        let fields_per_sample = (flags & 0xf00).count_ones();
        if fields_per_sample == 0 && n > MAX_SAMPLES {
            return None;
        }
        for index in 0..n {
            let duration = if flags & 0x100 != 0 { f.u32()? } else { defaults.duration };
            let size = if flags & 0x200 != 0 { f.u32()? } else { defaults.size };
            let own_flags = if flags & 0x400 != 0 { Some(f.u32()?) } else { None };
            let offset = match (flags & 0x800 != 0, version) {
                (false, _) => 0,
                (true, 0) => i64::from(f.u32()?),
                (true, _) => i64::from(f.u32()? as i32),
            };
            let sample_flags = match (index, first_flags, own_flags) {
                (0, Some(first), _) => first,
                (_, _, Some(own)) => own,
                _ => defaults.flags,
            };
            self.sample(i64::from(duration), size, sample_flags & NON_SYNC == 0, offset);
        }
        Some(())
    }

    fn sample(&mut self, duration: i64, size: u32, sync: bool, offset: i64) {
        let dts = self.end_dts;
        self.first_dts.get_or_insert(dts);
        self.last_dts = dts;
        self.end_dts = dts.saturating_add(duration);
        let pts = dts.saturating_add(offset);
        let end = pts.saturating_add(duration);
        self.max_end = if self.min_pts.is_none() { end } else { self.max_end.max(end) };
        self.min_pts = Some(self.min_pts.map_or(pts, |m| m.min(pts)));
        self.n_samples = self.n_samples.saturating_add(1);
        self.n_sync += u32::from(sync);
        self.first_is_sync.get_or_insert(sync);
        self.n_bytes += u64::from(size);
        self.sample_duration.get_or_insert(duration);
    }

    pub(crate) fn facts(&self, track: Option<&InitTrack>) -> ElementaryFacts {
        let declared = track.map_or_else(|| unknown_track(self.track_id), InitTrack::facts);
        let edit = track.map_or(0, |t| t.edit_media_time);
        let is_video = declared.kind == EsKind::Video;
        ElementaryFacts {
            first_pts: self.min_pts.map(|t| t.saturating_sub(edit)),
            first_dts: self.first_dts,
            last_dts: self.first_dts.map(|_| self.last_dts),
            duration: self.min_pts.map(|min| self.max_end.saturating_sub(min)),
            n_access_units: self.n_samples,
            access_unit_duration: self.sample_duration,
            starts_with_keyframe: self.first_is_sync.filter(|_| is_video),
            n_keyframes: if is_video { self.n_sync } else { 0 },
            payload_bytes: self.n_bytes,
            encrypted: declared.encrypted || self.encrypted,
            ..declared
        }
    }
}
