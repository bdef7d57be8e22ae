//! The live edge of a rendition with parts.

use std::collections::VecDeque;

use ow_domain::capture::{BlockingReload, Capture, Exchange};
use ow_domain::facts::EsKind;
use ow_domain::{Span, Time};
use serde::{Deserialize, Serialize};

/// Parts whose bytes are remembered.
const MAX_PARTS: usize = 64;

/// What is known of parts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PartMemory {
    pub part_target: Option<Span>,
    /// Newest part whose place in its segment is final: segment and place.
    pub settled: Option<(u64, u32)>,
    /// Newest part listed, and the end of the answer that showed it first.
    pub newest: Option<((u64, u32), Time)>,
    /// PART-INF was there and no part, since then.
    pub without_parts: Option<Time>,
    /// A blocking reload ran into its time limit; what was asked for, and how long it took.
    pub no_answer: Option<(BlockingReload, Span)>,
    seen: VecDeque<PartSeen>,
}

/// A part whose bytes were read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartSeen {
    /// Media sequence number of its segment, and place in it from 0.
    pub number: u64,
    pub index: u32,
    /// Sum of the durations of the parts before it.
    pub offset: Span,
    pub declared: Span,
    pub kind: EsKind,
    pub timescale: u32,
    pub first_dts: i64,
    pub access_unit: i64,
    pub n_access_units: u32,
    pub payload_bytes: u64,
}

impl PartSeen {
    /// `None` where the bytes tell nothing of their place.
    pub fn of(capture: &Capture) -> Option<Self> {
        let promised = capture.promised.as_ref().filter(|p| p.key_method.is_none())?;
        let (place, main) = (promised.part?, capture.facts.as_ref()?.main()?);
        let is_timed = matches!(main.kind, EsKind::Video | EsKind::Audio) && main.timescale > 0 && !main.encrypted;
        is_timed.then_some(())?;
        Some(Self {
            number: promised.number?,
            index: place.index,
            offset: Span::from_micros(place.offset_us),
            declared: Span::from_micros(promised.duration_us?),
            kind: main.kind,
            timescale: main.timescale,
            first_dts: main.first_dts?,
            access_unit: main.access_unit_duration.unwrap_or(0),
            n_access_units: main.n_access_units,
            payload_bytes: main.payload_bytes,
        })
    }
}

impl PartMemory {
    pub fn remember(&mut self, part: PartSeen) {
        self.seen.retain(|known| (known.number, known.index) != (part.number, part.index));
        if self.seen.len() == MAX_PARTS {
            self.seen.pop_front();
        }
        self.seen.push_back(part);
    }

    /// Parts of a segment that were read, by place.
    pub fn of_segment(&self, number: u64) -> Vec<PartSeen> {
        let mut parts: Vec<_> = self.seen.iter().filter(|part| part.number == number).cloned().collect();
        parts.sort_by_key(|part| part.index);
        parts
    }

    /// Another timeline began: numbers mean other segments.
    pub fn forget(&mut self) {
        *self = Self { part_target: self.part_target, without_parts: self.without_parts, ..Self::default() };
    }
}

/// An answer that was held back tells how things are when it comes: its time runs from then on, as if it had been asked
/// for plainly.
pub(crate) fn as_if_plain(capture: &Capture) -> Capture {
    let exchange = &capture.exchange;
    let body = Span::from_micros(exchange.timings.body_us.unwrap_or(0)).max(Span::ZERO);
    let mut timings = exchange.timings;
    timings.ttfb_us = None;
    let t_req = (exchange.t_end - body).max(exchange.t_req);
    Capture { exchange: Exchange { t_req, timings, ..exchange.clone() }, ..capture.clone() }
}
