//! ISO BMFF and CMAF (ISO/IEC 14496-12, 23000-19): a walk over top-level boxes that keeps what describes the media.
//!
//! `moov`, `moof` and the small boxes between them are read whole, up to a bound; of `mdat` only the headers of NAL units are
//! looked at while they pass.

mod boxes;
mod codec;
mod fragment;
mod init;
mod protection;
mod timed;
mod walk;

use ow_domain::facts::{ElementaryFacts, Mp4Facts, SegmentFacts};

use crate::bits::Fields;
use crate::issues::Issues;
use boxes::name_of;
use fragment::TrackRun;
pub use init::{InitFacts, InitTrack};
use walk::{Rule, Walk};

/// Largest box that is read; larger ones are told and skipped.
const MAX_READ: u64 = 8 << 20;
/// Largest `emsg`, `prft` and `sidx` that is read.
const MAX_SMALL: u64 = 64 << 10;
const MAX_BOXES: usize = 64;
const MAX_EVENTS: usize = 32;
/// Issues of one kind that are told of one body.
const MAX_OF_KIND: u32 = 4;

pub(crate) struct Mp4Parser {
    init: Option<InitFacts>,
    /// A `moov` in this very body.
    own_init: bool,
    state: State,
    offset: u64,
    /// Where the box under way starts: issues point there, wherever the bytes were cut.
    box_start: u64,
    facts: Mp4Facts,
    runs: Vec<TrackRun>,
    walk: Walk,
    /// The fragment whose `mdat` is still to come, or under way.
    pending: Option<Pending>,
    told: Vec<(&'static str, u32)>,
}

/// Where the samples of a fragment must lie.
struct Pending {
    moof_start: u64,
    /// First byte and end, in the body.
    extent: Option<(i128, i128)>,
    /// First byte and end of the payloads seen since.
    payload: Option<(u64, u64)>,
}

enum State {
    Header(Vec<u8>),
    Reading {
        kind: [u8; 4],
        left: u64,
        body: Vec<u8>,
    },
    Skipping {
        left: u64,
        is_data: bool,
    },
    /// A box of size 0 reaches to the end of the body.
    ToEnd {
        is_data: bool,
    },
    /// Nothing after a damaged header can be trusted.
    Lost,
}

impl Mp4Parser {
    pub(crate) fn new(init: Option<InitFacts>) -> Self {
        Self {
            init,
            own_init: false,
            state: State::Header(Vec::new()),
            offset: 0,
            box_start: 0,
            facts: Mp4Facts::default(),
            runs: Vec::new(),
            walk: Walk::default(),
            pending: None,
            told: Vec::new(),
        }
    }

    /// Tells the first few of each kind, so that one that repeats does not hide the others.
    fn issue(&mut self, issues: &mut Issues, kind: &'static str, offset: u64, detail: impl FnOnce() -> String) {
        let n = match self.told.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, n)) => n,
            None => {
                self.told.push((kind, 0));
                let last = self.told.len() - 1;
                &mut self.told[last].1
            }
        };
        *n += 1;
        if *n <= MAX_OF_KIND {
            issues.add(kind, offset, detail);
        }
    }

    pub(crate) fn push(&mut self, mut bytes: &[u8], issues: &mut Issues) {
        while !bytes.is_empty() {
            let used = match &mut self.state {
                State::Header(header) => {
                    if header.is_empty() {
                        self.box_start = self.offset;
                    }
                    let want = if header.len() >= 8 { 16 } else { 8 };
                    let take = (want - header.len()).min(bytes.len());
                    header.extend_from_slice(&bytes[..take]);
                    if header.len() == want {
                        self.header(issues);
                    }
                    take
                }
                State::Reading { left, body, .. } => {
                    let take = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    body.extend_from_slice(&bytes[..take]);
                    *left -= take as u64;
                    if *left == 0 {
                        self.whole_box(issues);
                    }
                    take
                }
                State::Skipping { left, is_data } => {
                    let take = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= take as u64;
                    if *is_data && !self.walk.is_idle() {
                        self.walk.push(self.offset, &bytes[..take]);
                    }
                    if *left == 0 {
                        self.state = State::Header(Vec::new());
                    }
                    take
                }
                State::ToEnd { is_data } => {
                    if *is_data {
                        self.facts.mdat_bytes = self.facts.mdat_bytes.saturating_add(bytes.len() as u64);
                        self.walk.push(self.offset, bytes);
                    }
                    bytes.len()
                }
                State::Lost => bytes.len(),
            };
            self.offset += used as u64;
            bytes = &bytes[used..];
        }
    }

    fn header(&mut self, issues: &mut Issues) {
        let State::Header(header) = &self.state else { return };
        let mut fields = Fields(header);
        let (Some(short), Some(kind)) = (fields.u32(), fields.four()) else { return };
        let (size, header_bytes) = match (short, header.len()) {
            (1, 8) => return, // The 64-bit size is still to come.
            (1, _) => (fields.u64().unwrap_or(0), 16),
            (short, _) => (u64::from(short), 8),
        };
        let name = name_of(kind);
        let offset = self.box_start;
        let is_data = &kind == b"mdat";
        if self.facts.boxes.len() < MAX_BOXES {
            self.facts.boxes.push(name.clone());
        }
        if size == 0 && header_bytes == 8 {
            if is_data {
                self.payload(offset + header_bytes, u64::MAX);
            }
            self.state = State::ToEnd { is_data };
            return;
        }
        let Some(left) = size.checked_sub(header_bytes) else {
            self.issue(issues, "mp4-box-size", offset, || format!("box {name} says it has {size} bytes"));
            self.state = State::Lost;
            return;
        };
        if is_data {
            self.facts.mdat_bytes = self.facts.mdat_bytes.saturating_add(left);
            self.payload(offset + header_bytes, offset.saturating_add(size));
        }
        let limit = match &kind {
            b"ftyp" | b"styp" | b"moov" | b"moof" => Some(MAX_READ),
            b"emsg" | b"prft" | b"sidx" => Some(MAX_SMALL),
            _ => None,
        };
        self.state = match (limit, left) {
            (Some(limit), left) if left > limit => {
                self.issue(issues, "mp4-box-too-large", offset, || format!("box {name} of {left} bytes is not read"));
                State::Skipping { left, is_data: false }
            }
            (_, 0) => State::Header(Vec::new()),
            (Some(_), left) => State::Reading { kind, left, body: Vec::new() },
            (None, left) => State::Skipping { left, is_data },
        };
    }

    fn payload(&mut self, start: u64, end: u64) {
        if let Some(pending) = &mut self.pending {
            let (from, to) = pending.payload.unwrap_or((start, end));
            pending.payload = Some((from.min(start), to.max(end)));
        }
    }

    fn whole_box(&mut self, issues: &mut Issues) {
        let State::Reading { kind, body, .. } = std::mem::replace(&mut self.state, State::Header(Vec::new())) else {
            return;
        };
        let at = self.box_start;
        match &kind {
            b"ftyp" | b"styp" => self.brands(&body),
            b"moov" => self.moov(&body, at, issues),
            b"moof" => self.moof(&body, at, issues),
            b"emsg" => {
                self.facts.n_events = self.facts.n_events.saturating_add(1);
                match timed::emsg(&body) {
                    Some(mut event) if self.facts.events.len() < MAX_EVENTS => {
                        event.after_fragment = self.facts.n_fragments > 0;
                        self.facts.events.push(event);
                    }
                    Some(_) => {}
                    None => self.issue(issues, "mp4-emsg-unreadable", at, || "emsg cannot be read".to_owned()),
                }
            }
            b"prft" => match timed::prft(&body) {
                Some(prft) => {
                    self.facts.prft.get_or_insert(prft);
                }
                None => self.issue(issues, "mp4-prft-unreadable", at, || "prft ends too early".to_owned()),
            },
            _ => match timed::sidx(&body) {
                Some(sidx) => {
                    self.facts.sidx.get_or_insert(sidx);
                }
                None => self.issue(issues, "mp4-sidx-unreadable", at, || "sidx ends too early".to_owned()),
            },
        }
    }

    fn moov(&mut self, body: &[u8], at: u64, issues: &mut Issues) {
        let read = init::read(body);
        if read.overruns {
            self.issue(issues, "mp4-child-overruns", at, || "a box in moov does not fit into its parent".to_owned());
        }
        if read.n_bad_pssh > 0 {
            let n = read.n_bad_pssh;
            self.issue(issues, "mp4-pssh-short", at, || format!("{n} pssh boxes end before their fields do"));
        }
        if read.tracks.is_empty() {
            self.issue(issues, "mp4-moov-unreadable", at, || "moov holds no track that can be read".to_owned());
            return;
        }
        if read.n_unreadable > 0 {
            let n = read.n_unreadable;
            self.issue(issues, "mp4-trak-unreadable", at, || format!("{n} trak boxes without id or timescale"));
        }
        self.facts.init_track_ids = read.tracks.iter().map(|t| t.id).collect();
        self.facts.tracks = read.told;
        self.facts.pssh.extend(read.pssh);
        self.facts.pssh.truncate(init::MAX_PSSH);
        self.init = Some(InitFacts { digest: boxes::digest([body]), tracks: read.tracks });
        self.own_init = true;
    }

    fn moof(&mut self, body: &[u8], at: u64, issues: &mut Issues) {
        self.end_fragment(true, issues);
        self.facts.n_fragments = self.facts.n_fragments.saturating_add(1);
        let read = fragment::read(body, self.init.as_ref(), &mut self.runs);
        if self.facts.n_fragments == 1 {
            self.facts.sequence_number = read.sequence_number;
            self.facts.tfdt_version = read.tfdt_version;
        }
        for (kind, detail) in read.issues {
            self.issue(issues, kind, at, || detail);
        }
        for pssh in read.pssh {
            let full = self.facts.pssh.len() >= init::MAX_PSSH;
            if !full && !self.facts.pssh.iter().any(|known| known.digest == pssh.digest) {
                self.facts.pssh.push(pssh);
            }
        }
        let extent = read.extent.map(|(from, to)| {
            let base = i128::from(at);
            (base + i128::from(from), base + i128::from(to))
        });
        self.pending = Some(Pending { moof_start: at, extent, payload: None });
        let init = self.init.as_ref();
        let rules = self.runs.iter().map(|run| {
            let track = init.and_then(|i| i.tracks.iter().find(|t| t.id == run.told.track_id))?;
            // Without subsamples nothing of a protected sample is in the clear.
            let hidden = run.told.is_protected.unwrap_or(track.is_protected(run.told.sample_description_index));
            Rule::of(track).filter(|_| !hidden)
        });
        let rules = rules.collect();
        self.walk.begin(&read.samples, at, rules);
    }

    /// Compares where the samples are said to lie with the payloads that came.
    fn end_fragment(&mut self, complete: bool, issues: &mut Issues) {
        let Some(Pending { moof_start, extent, payload }) = self.pending.take() else { return };
        if !complete {
            return;
        }
        let Some((from, to)) = payload else {
            self.issue(issues, "mp4-mdat-missing", moof_start, || "no mdat follows moof".to_owned());
            return;
        };
        // A payload that reaches to the end of the body ends where the bytes do.
        let (from, to) = (i128::from(from), i128::from(to.min(self.offset.max(from))));
        // An mdat without a byte is an empty segment, which is another fault.
        if let Some((first, end)) = extent
            && from < to
            && (first < from || end > to)
        {
            self.issue(issues, "mp4-trun-out-of-range", moof_start, || {
                format!("samples lie at bytes {first} to {end}, mdat holds {from} to {to}")
            });
        }
    }

    fn brands(&mut self, body: &[u8]) {
        let mut fields = Fields(body);
        if let Some(major) = fields.four() {
            self.facts.brands.push(name_of(major));
        }
        let _minor_version = fields.u32();
        while let Some(brand) = fields.four() {
            if self.facts.brands.len() >= 16 {
                break;
            }
            self.facts.brands.push(name_of(brand));
        }
        self.facts.brands.truncate(16);
    }

    pub(crate) fn finish(
        &mut self,
        complete: bool,
        facts: &mut SegmentFacts,
        issues: &mut Issues,
    ) -> Option<InitFacts> {
        let mut overrun = false;
        if complete {
            let missing = match &self.state {
                State::Reading { left, .. } | State::Skipping { left, .. } => *left,
                State::Header(header) if !header.is_empty() => 8,
                _ => 0,
            };
            if missing > 0 {
                overrun = true;
                let last = self.facts.boxes.last().cloned().unwrap_or_default();
                let offset = self.offset;
                self.issue(issues, "mp4-box-overruns", offset, || {
                    format!("the last box ({last}) reaches at least {missing} bytes past the end of the body")
                });
            }
        }
        // One fault is told once: after a box that lies nothing is said of the data behind it.
        let lost = overrun || matches!(self.state, State::Lost);
        self.end_fragment(complete && !lost, issues);
        self.facts.init_digest = self.init.as_ref().map(|i| i.digest.clone());
        let known = self.init.as_ref().map_or(&[][..], |i| &i.tracks);
        for (at, run) in self.runs.iter_mut().enumerate() {
            let mut told = run.end_of_track();
            let track = known.iter().find(|t| t.id == told.track_id);
            let found = self.walk.found(at);
            (told.n_walked, told.n_walk_errors) = (found.n_walked, found.n_errors);
            told.first_slice_type = found.first_slice_type;
            facts.elementary.push(run.facts(track, &told));
            self.facts.runs.push(told);
        }
        if self.runs.is_empty() && self.own_init {
            facts.elementary.extend(known.iter().map(InitTrack::facts));
        }
        facts.mp4 = Some(std::mem::take(&mut self.facts));
        if self.own_init { self.init.take() } else { None }
    }
}

/// The empty facts of a track whose init section is not known.
pub(crate) fn unknown_track(id: u32) -> ElementaryFacts {
    ElementaryFacts { id, codec: "unknown".to_owned(), ..ElementaryFacts::default() }
}
