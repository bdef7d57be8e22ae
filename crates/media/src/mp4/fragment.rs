//! `moof`: times, sizes and sync flags of the samples (ISO/IEC 14496-12 8.8).

use ow_domain::facts::{ElementaryFacts, EsKind, KeyframeFacts, Mp4Run, Pssh, SizeFacts};

use super::boxes::{children, full};
use super::init::MAX_PSSH;
use super::protection::{self, KeyGroup, MAX_KIDS};
use super::walk::Sample;
use super::{InitFacts, InitTrack};

/// Most samples believed of one segment.
const MAX_SAMPLES: u32 = 1_000_000;
/// Most samples whose place is remembered of one fragment.
const MAX_PLACED: usize = 16_384;
const MAX_TRUNS: usize = 256;
const NON_SYNC: u32 = 0x0001_0000;

/// All runs of one track in a segment.
#[derive(Debug, Default)]
pub(crate) struct TrackRun {
    pub(crate) told: Mp4Run,
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
    /// Duration of most samples: the one that is left when different ones cancel out.
    sample_duration: Option<i64>,
    sample_votes: u32,
    duration_unknown: bool,
    /// A decode time left its field.
    time_unknown: bool,
    last_was_zero: bool,
    keyframes: Option<KeyframeFacts>,
    inter: Sizes,
}

/// Sums for mean and deviation.
#[derive(Debug, Default)]
struct Sizes {
    n: u32,
    sum: u64,
    squares: u128,
}

/// What one `moof` says beside its runs.
#[derive(Default)]
pub(crate) struct Read {
    pub(crate) sequence_number: Option<u32>,
    pub(crate) tfdt_version: Option<u8>,
    pub(crate) pssh: Vec<Pssh>,
    pub(crate) issues: Vec<(&'static str, String)>,
    /// Where the samples lie, offsets from the start of the `moof`; nothing when that cannot be told.
    pub(crate) samples: Vec<Sample>,
    /// First byte and end of the samples, from the start of the `moof`.
    pub(crate) extent: Option<(i64, i64)>,
}

impl Read {
    fn issue(&mut self, kind: &'static str, detail: String) {
        if self.issues.len() < 32 {
            self.issues.push((kind, detail));
        }
    }
}

/// `tfhd` over `trex` over nothing.
struct Header {
    id: u32,
    description: u32,
    duration: Option<u32>,
    size: u32,
    flags: u32,
    /// An absolute `base_data_offset`.
    absolute: bool,
    base_is_moof: bool,
}

/// What carries over from one `traf` to the next.
struct Placing {
    /// End of the data of the `traf` before, from the start of the `moof`.
    end: i64,
    n_trafs: u32,
    absolute: bool,
    loose: bool,
    overflow: bool,
}

pub(crate) fn read(moof: &[u8], init: Option<&InitFacts>, runs: &mut Vec<TrackRun>) -> Read {
    let mut result = Read::default();
    let mut placing = Placing { end: 0, n_trafs: 0, absolute: false, loose: false, overflow: false };
    let mut has_mfhd = false;
    let mut bad_pssh = 0_u32;
    let fits = children(moof, &mut |kind, body| match &kind {
        b"mfhd" => {
            has_mfhd = true;
            result.sequence_number = full(body).and_then(|(_, _, mut f)| f.u32());
        }
        b"traf" => traf(body, init, runs, &mut placing, &mut result),
        b"pssh" if result.pssh.len() < MAX_PSSH => match protection::pssh(body, true) {
            Some(pssh) => result.pssh.push(pssh),
            None => bad_pssh += 1,
        },
        _ => {}
    });
    if !fits {
        result.issue("mp4-child-overruns", "a box in moof does not fit into it".to_owned());
    }
    if !has_mfhd {
        result.issue("mp4-mfhd-missing", "moof without mfhd".to_owned());
    }
    if placing.n_trafs == 0 {
        result.issue("mp4-traf-missing", "moof without traf".to_owned());
    }
    if bad_pssh > 0 {
        result.issue("mp4-pssh-short", format!("{bad_pssh} pssh boxes end before their fields do"));
    }
    if placing.absolute {
        result.issue("mp4-base-offset-absolute", "tfhd places the samples by an absolute base_data_offset".to_owned());
    } else if placing.loose && placing.n_trafs > 1 {
        let n = placing.n_trafs;
        result.issue("mp4-base-offset-loose", format!("{n} traf boxes without default-base-is-moof"));
    }
    if placing.absolute || placing.overflow {
        result.samples.clear();
    }
    if placing.absolute {
        result.extent = None;
    }
    result
}

fn traf(body: &[u8], init: Option<&InitFacts>, runs: &mut Vec<TrackRun>, placing: &mut Placing, result: &mut Read) {
    placing.n_trafs = placing.n_trafs.saturating_add(1);
    let mut header = None;
    let mut decode_time = None;
    let mut truns: Vec<&[u8]> = Vec::new();
    let mut senc: Option<&[u8]> = None;
    let mut has_saiz = false;
    let mut key_groups: Vec<KeyGroup> = Vec::new();
    let mut group_runs: Vec<(u32, u32)> = Vec::new();
    let mut n_truns = 0_usize;
    let fits = children(body, &mut |kind, body| match &kind {
        b"tfhd" => header = tfhd(body, init),
        b"tfdt" => decode_time = tfdt(body),
        b"trun" => {
            n_truns += 1;
            if truns.len() < MAX_TRUNS {
                truns.push(body);
            }
        }
        b"senc" => senc = Some(body),
        b"saiz" => has_saiz = true,
        b"sgpd" if key_groups.is_empty() => key_groups = protection::sgpd(body),
        b"sbgp" if group_runs.is_empty() => group_runs = protection::sbgp(body),
        _ => {}
    });
    if !fits {
        result.issue("mp4-child-overruns", "a box in traf does not fit into it".to_owned());
    }
    let Some(header) = header else {
        result.issue("mp4-tfhd-missing", "traf without a readable tfhd".to_owned());
        return;
    };
    let id = header.id;
    if truns.is_empty() {
        result.issue("mp4-trun-missing", format!("traf of track {id} without trun"));
    }
    if n_truns > truns.len() {
        result.issue("mp4-too-many-truns", format!("{n_truns} trun boxes in one traf"));
        placing.overflow = true;
    }
    let at = match runs.iter().position(|r| r.told.track_id == id) {
        Some(at) => at,
        None if runs.len() < crate::MAX_ELEMENTARY => {
            runs.push(TrackRun { told: Mp4Run { track_id: id, ..Mp4Run::default() }, ..TrackRun::default() });
            runs.len() - 1
        }
        None => return,
    };
    let n_other: u32 = runs.iter().map(|r| r.n_samples).fold(0, u32::saturating_add);
    let mut budget = MAX_SAMPLES.saturating_sub(n_other);
    let run = &mut runs[at];
    run.told.n_fragments = run.told.n_fragments.saturating_add(1);
    run.told.sample_description_index = header.description;
    match decode_time {
        Some((version, time)) => run.decode_time(version, time, result),
        None => {
            run.told.n_without_tfdt += 1;
            result.issue("mp4-tfdt-missing", format!("traf of track {id} without tfdt"));
        }
    }
    placing.absolute |= header.absolute;
    placing.loose |= !header.base_is_moof;
    let base = if header.base_is_moof || placing.n_trafs == 1 { 0 } else { placing.end };
    let first_sample = run.n_samples;
    let mut sizes = Vec::new();
    let mut data = base;
    for trun in truns {
        if run.trun(trun, &header, at, base, &mut data, &mut budget, &mut sizes, result).is_none() {
            result.issue("mp4-trun-short", format!("trun of track {id} ends before its last sample"));
            placing.overflow = true;
        }
    }
    placing.end = data;
    placing.overflow |= sizes.len() >= MAX_PLACED;
    let n = run.n_samples - first_sample;
    let track = init.and_then(|i| i.tracks.iter().find(|t| t.id == id));
    run.protection(n, &sizes, track, senc, has_saiz, &key_groups, &group_runs, result);
}

fn tfhd(body: &[u8], init: Option<&InitFacts>) -> Option<Header> {
    let (_, flags, mut f) = full(body)?;
    let id = f.u32()?;
    let track = init.and_then(|i| i.tracks.iter().find(|t| t.id == id));
    let mut header = Header {
        id,
        description: track.map_or(0, |t| t.default_description),
        duration: track.map(|t| t.default_duration),
        size: track.map_or(0, |t| t.default_size),
        flags: track.map_or(0, |t| t.default_flags),
        absolute: flags & 0x01 != 0,
        base_is_moof: flags & 0x02_0000 != 0,
    };
    if header.absolute {
        f.u64()?;
    }
    if flags & 0x02 != 0 {
        header.description = f.u32()?;
    }
    if flags & 0x08 != 0 {
        header.duration = Some(f.u32()?);
    }
    if flags & 0x10 != 0 {
        header.size = f.u32()?;
    }
    if flags & 0x20 != 0 {
        header.flags = f.u32()?;
    }
    Some(header)
}

fn tfdt(body: &[u8]) -> Option<(u8, u64)> {
    let (version, _, mut f) = full(body)?;
    Some((version, if version == 0 { u64::from(f.u32()?) } else { f.u64()? }))
}

impl TrackRun {
    fn decode_time(&mut self, version: u8, time: u64, result: &mut Read) {
        result.tfdt_version = result.tfdt_version.or(Some(version));
        self.told.tfdt_version = self.told.tfdt_version.or(Some(version));
        self.told.tfdt = self.told.tfdt.or(Some(time));
        let Ok(time) = i64::try_from(time) else {
            self.time_unknown = true;
            result.issue("mp4-tfdt-overflow", format!("baseMediaDecodeTime {time} is 2^63 or more"));
            return;
        };
        let step = time.saturating_sub(self.end_dts);
        if self.n_samples > 0 && step != 0 && !self.duration_unknown {
            self.told.n_inner_gaps = self.told.n_inner_gaps.saturating_add(1);
            if step.unsigned_abs() > self.told.inner_gap.unsigned_abs() {
                self.told.inner_gap = step;
            }
        }
        self.end_dts = time;
    }

    #[expect(clippy::too_many_arguments, reason = "one call site; what is read goes to three owners")]
    fn trun(
        &mut self,
        body: &[u8],
        header: &Header,
        at: usize,
        base: i64,
        data: &mut i64,
        budget: &mut u32,
        sizes: &mut Vec<u32>,
        result: &mut Read,
    ) -> Option<()> {
        let (version, flags, mut f) = full(body)?;
        let n = f.u32()?;
        if flags & 0x01 != 0 {
            *data = base.saturating_add(i64::from(f.u32()? as i32));
        }
        let first_flags = if flags & 0x04 != 0 { Some(f.u32()?) } else { None };
        let start = *data;
        for index in 0..n {
            *budget = budget.checked_sub(1)?;
            let duration = if flags & 0x100 != 0 { Some(f.u32()?) } else { header.duration };
            let size = if flags & 0x200 != 0 { f.u32()? } else { header.size };
            let own_flags = if flags & 0x400 != 0 { Some(f.u32()?) } else { None };
            let offset = match (flags & 0x800 != 0, version) {
                (false, _) => 0,
                (true, 0) => i64::from(f.u32()?),
                (true, _) => i64::from(f.u32()? as i32),
            };
            let sample_flags = match (index, first_flags, own_flags) {
                (0, Some(first), _) => first,
                (_, _, Some(own)) => own,
                _ => header.flags,
            };
            self.sample(duration, size, sample_flags & NON_SYNC == 0, offset);
            if result.samples.len() < MAX_PLACED {
                result.samples.push(Sample { start: *data, size, run: at });
            }
            if sizes.len() < MAX_PLACED {
                sizes.push(size);
            }
            *data = data.saturating_add(i64::from(size));
        }
        if *data > start {
            let (from, to) = result.extent.unwrap_or((start, *data));
            result.extent = Some((from.min(start), to.max(*data)));
        }
        Some(())
    }

    fn sample(&mut self, duration: Option<u32>, size: u32, sync: bool, offset: i64) {
        self.duration_unknown |= duration.is_none();
        let duration = i64::from(duration.unwrap_or(0));
        // The duration of the last sample is often not known when it is written.
        self.told.n_zero_durations += u32::from(self.last_was_zero);
        self.last_was_zero = duration == 0 && !self.duration_unknown;
        self.told.n_empty_samples += u32::from(size == 0);
        let dts = self.end_dts;
        let first = *self.first_dts.get_or_insert(dts);
        self.last_dts = dts;
        self.end_dts = dts.saturating_add(duration);
        let pts = dts.saturating_add(offset);
        let end = pts.saturating_add(duration);
        self.max_end = if self.min_pts.is_none() { end } else { self.max_end.max(end) };
        self.told.min_composition_offset =
            if self.n_samples == 0 { offset } else { self.told.min_composition_offset.min(offset) };
        self.min_pts = Some(self.min_pts.map_or(pts, |m| m.min(pts)));
        self.n_samples = self.n_samples.saturating_add(1);
        self.n_sync += u32::from(sync);
        self.first_is_sync.get_or_insert(sync);
        self.n_bytes += u64::from(size);
        if self.sample_votes == 0 {
            self.sample_duration = Some(duration);
        }
        let agrees = self.sample_duration == Some(duration);
        self.sample_votes =
            if agrees { self.sample_votes.saturating_add(1) } else { self.sample_votes.saturating_sub(1) };
        if sync {
            let place = dts.saturating_sub(first);
            let known = self.keyframes.unwrap_or(KeyframeFacts { first: place, last: place, max_distance: None });
            let distance = self.keyframes.map(|k| place.saturating_sub(k.last));
            self.keyframes =
                Some(KeyframeFacts { last: place, max_distance: known.max_distance.max(distance), ..known });
        } else {
            self.inter.n += 1;
            self.inter.sum += u64::from(size);
            self.inter.squares += u128::from(size) * u128::from(size);
        }
    }

    /// What the fragment says of encryption, and whether that agrees with itself.
    #[expect(clippy::too_many_arguments, reason = "one call site; the boxes of one traf")]
    fn protection(
        &mut self,
        n_samples: u32,
        sizes: &[u32],
        track: Option<&InitTrack>,
        senc: Option<&[u8]>,
        has_saiz: bool,
        groups: &[KeyGroup],
        group_runs: &[(u32, u32)],
        result: &mut Read,
    ) {
        let id = self.told.track_id;
        for group in groups.iter().filter(|g| g.is_protected) {
            if self.told.kids.len() < MAX_KIDS / 2 && !self.told.kids.contains(&group.kid) {
                self.told.kids.push(group.kid.clone());
            }
        }
        // Indexes above 65536 name groups of this fragment, from 1 (8.9.4).
        let named = |index: u32| groups.get(index.checked_sub(0x1_0001)? as usize);
        if group_runs.iter().any(|(n, index)| *n > 0 && *index > 0x1_0000 && named(*index).is_none()) {
            result.issue("mp4-seig-unlinked", format!("track {id}: a sample group names no seig description"));
        }
        let used: Vec<&KeyGroup> = group_runs.iter().filter_map(|(_, index)| named(*index)).collect();
        let says = if used.is_empty() {
            (senc.is_some() || has_saiz).then_some(true)
        } else {
            Some(used.iter().any(|group| group.is_protected))
        };
        self.told.is_protected = match (self.told.is_protected, says) {
            (Some(before), Some(now)) => Some(before || now),
            (before, now) => before.or(now),
        };
        let Some(senc) = senc else { return };
        let iv_bytes = used.first().map(|g| g.iv_bytes).or(track.map(|t| t.iv_bytes));
        let Some(iv_bytes) = iv_bytes else { return };
        let Some(read) = protection::senc(senc, iv_bytes) else {
            result.issue("mp4-senc-short", format!("senc of track {id} does not hold IVs of {iv_bytes} bytes"));
            return;
        };
        self.told.n_senc_samples = Some(self.told.n_senc_samples.unwrap_or(0).saturating_add(read.n));
        if read.n != n_samples {
            let n = read.n;
            result.issue("mp4-senc-count", format!("senc of track {id} describes {n} samples, trun {n_samples}"));
        }
        if let Some(covered) = read.covered {
            let wrong =
                covered.iter().zip(sizes).filter(|(sum, size)| **sum != 0 && **sum != u64::from(**size)).count();
            if wrong > 0 {
                result.issue("mp4-senc-cover", format!("subsamples of {wrong} samples of track {id} miss their size"));
            }
        }
    }

    pub(crate) fn end_of_track(&mut self) -> Mp4Run {
        self.told.end_dts =
            (self.n_samples > 0 && !self.duration_unknown && !self.time_unknown).then_some(self.end_dts);
        std::mem::take(&mut self.told)
    }

    /// `walked`: errors of the NAL walk.
    pub(crate) fn facts(&self, track: Option<&InitTrack>, told: &Mp4Run) -> ElementaryFacts {
        let declared = track.map_or_else(|| super::unknown_track(told.track_id), InitTrack::facts);
        let edit = track.map_or(0, |t| t.edit_media_time);
        let is_video = declared.kind == EsKind::Video;
        let by_entry = track.is_some_and(|t| t.is_protected(told.sample_description_index));
        let encrypted = told.is_protected.unwrap_or(by_entry);
        ElementaryFacts {
            first_pts: self.min_pts.filter(|_| !self.time_unknown).map(|t| t.saturating_sub(edit)),
            first_dts: self.first_dts.filter(|_| !self.time_unknown),
            last_dts: self.first_dts.filter(|_| !self.time_unknown).map(|_| self.last_dts),
            duration: self.min_pts.filter(|_| !self.duration_unknown).map(|min| self.max_end.saturating_sub(min)),
            end_dts: told.end_dts,
            n_access_units: self.n_samples,
            access_unit_duration: self.sample_duration.filter(|d| *d > 0),
            starts_with_keyframe: self.first_is_sync.filter(|_| is_video),
            n_keyframes: if is_video { self.n_sync } else { 0 },
            keyframes: self.keyframes.filter(|_| is_video && !self.duration_unknown),
            inter_frames: self.inter.facts().filter(|_| is_video),
            payload_bytes: self.n_bytes,
            n_walk_errors: told.n_walk_errors,
            encrypted,
            ..declared
        }
    }
}

impl Sizes {
    fn facts(&self) -> Option<SizeFacts> {
        let n = u64::from(self.n);
        let mean = self.sum.checked_div(n)?;
        let square = self.squares / u128::from(n);
        let variance = square.saturating_sub(u128::from(mean) * u128::from(mean));
        Some(SizeFacts { n: self.n, mean, deviation: u64::try_from(variance.isqrt()).unwrap_or(u64::MAX) })
    }
}
