//! ISO BMFF and CMAF (ISO/IEC 14496-12, 23000-19): a walk over top-level boxes that keeps `moov` and `moof` only.

mod fragment;
mod init;

use ow_domain::facts::{ElementaryFacts, Mp4Facts, SegmentFacts};

use crate::bits::Fields;
use crate::issues::Issues;
use fragment::TrackRun;
pub use init::{InitFacts, InitTrack};

/// Largest box that is read; larger ones are told and skipped.
const MAX_READ: u64 = 8 << 20;
const MAX_BOXES: usize = 64;

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
    },
    /// A box of size 0 reaches to the end of the body.
    ToEnd,
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
                State::Skipping { left } => {
                    let take = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= take as u64;
                    if *left == 0 {
                        self.state = State::Header(Vec::new());
                    }
                    take
                }
                State::ToEnd | State::Lost => bytes.len(),
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
        if self.facts.boxes.len() < MAX_BOXES {
            self.facts.boxes.push(name.clone());
        }
        if size == 0 && header_bytes == 8 {
            self.state = State::ToEnd;
            return;
        }
        let Some(left) = size.checked_sub(header_bytes) else {
            issues.add("mp4-box-size", offset, || format!("box {name} says it has {size} bytes"));
            self.state = State::Lost;
            return;
        };
        let read = matches!(&kind, b"ftyp" | b"styp" | b"moov" | b"moof");
        if &kind == b"mdat" {
            self.facts.mdat_bytes = self.facts.mdat_bytes.saturating_add(left);
        }
        self.state = match (read, left) {
            (true, left) if left > MAX_READ => {
                issues.add("mp4-box-too-large", offset, || format!("box {name} of {size} bytes is not read"));
                State::Skipping { left }
            }
            (_, 0) => State::Header(Vec::new()),
            (true, left) => State::Reading { kind, left, body: Vec::new() },
            (false, left) => State::Skipping { left },
        };
    }

    fn whole_box(&mut self, issues: &mut Issues) {
        let State::Reading { kind, body, .. } = std::mem::replace(&mut self.state, State::Header(Vec::new())) else {
            return;
        };
        let at = self.box_start;
        match &kind {
            b"ftyp" | b"styp" => self.brands(&body),
            b"moov" => match init::read(&body) {
                Some(init) => {
                    self.facts.init_track_ids = init.tracks.iter().map(|t| t.id).collect();
                    self.init = Some(init);
                    self.own_init = true;
                }
                None => issues.add("mp4-moov-unreadable", at, || "moov holds no track that can be read".to_owned()),
            },
            _ => {
                self.facts.n_fragments = self.facts.n_fragments.saturating_add(1);
                let first = self.facts.n_fragments == 1;
                let read = fragment::read(&body, self.init.as_ref(), &mut self.runs);
                if first {
                    self.facts.sequence_number = read.sequence_number;
                    self.facts.tfdt_version = read.tfdt_version;
                }
                for (kind, detail) in read.issues {
                    issues.add(kind, at, || detail);
                }
            }
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
    }

    pub(crate) fn finish(
        &mut self,
        complete: bool,
        facts: &mut SegmentFacts,
        issues: &mut Issues,
    ) -> Option<InitFacts> {
        if complete {
            let missing = match &self.state {
                State::Reading { left, .. } | State::Skipping { left } => *left,
                State::Header(header) if !header.is_empty() => 8,
                _ => 0,
            };
            if missing > 0 {
                let last = self.facts.boxes.last().cloned().unwrap_or_default();
                issues.add("mp4-box-overruns", self.offset, || {
                    format!("the last box ({last}) reaches at least {missing} bytes past the end of the body")
                });
            }
        }
        let known = self.init.as_ref().map_or(&[][..], |i| &i.tracks);
        for run in &self.runs {
            let track = known.iter().find(|t| t.id == run.track_id);
            facts.elementary.push(run.facts(track));
        }
        if self.runs.is_empty() && self.own_init {
            facts.elementary.extend(known.iter().map(InitTrack::facts));
        }
        facts.mp4 = Some(std::mem::take(&mut self.facts));
        if self.own_init { self.init.take() } else { None }
    }
}

/// A box type as text; unprintable bytes become `?`.
fn name_of(kind: [u8; 4]) -> String {
    kind.iter().map(|b| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { '?' }).collect()
}

/// Calls `visit` with type and body of each child box, until one does not fit.
pub(crate) fn children<'b>(mut bytes: &'b [u8], visit: &mut dyn FnMut([u8; 4], &'b [u8])) {
    let mut n_boxes = 0;
    while let Some((size, kind)) = {
        let mut fields = Fields(bytes);
        fields.u32().zip(fields.four())
    } {
        let size = if size == 0 { bytes.len() } else { size as usize };
        n_boxes += 1;
        let Some(body) = bytes.get(8..size) else { return };
        if n_boxes > 4096 {
            return;
        }
        visit(kind, body);
        bytes = &bytes[size..];
    }
}

/// The empty facts of a track whose init section is not known.
pub(crate) fn unknown_track(id: u32) -> ElementaryFacts {
    ElementaryFacts { id, codec: "unknown".to_owned(), ..ElementaryFacts::default() }
}
