//! The segments of a rendition that were read last.

use std::collections::VecDeque;

use ow_domain::capture::{Capture, ObjectKind, Promised, Response};
use ow_domain::facts::{EsKind, SegmentFacts};
use ow_domain::{Span, Time};
use serde::{Deserialize, Serialize};

use super::clock::MediaClock;
use super::drift::{NumberDrift, off_promise};
use super::history::{History, Sample};

/// Renditions are fetched in bursts and out of order; more than this apart is no neighbour.
const MAX_PAST: usize = 4;
/// Programme and advertisement alternate; a playlist names few at a time.
const MAX_OLDER_INITS: usize = 3;
/// A larger difference between the step of media time and EXTINF is no drift.
const MAX_STEP: Span = Span::from_millis(100);
const MAX_DRIFT_SEGMENTS: u32 = 100;

/// What a rendition's bytes were so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct MediaMemory {
    pub init: Option<PastInit>,
    /// Those before it, the newest last.
    older_inits: VecDeque<PastInit>,
    past: VecDeque<PastSegment>,
    pub history: History,
    pub clock: MediaClock,
    pub number_drift: NumberDrift,
}

/// The initialization section read last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PastInit {
    /// Without query.
    pub url: String,
    pub digest: Option<String>,
    pub at: Time,
    pub facts: SegmentFacts,
}

/// A segment that was read completely.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PastSegment {
    /// Media sequence number or segment number.
    pub number: u64,
    /// End of its transfer.
    pub at: Time,
    /// `EXTINF` or `S@d`.
    pub declared: Option<Span>,
    pub bytes: u64,
    pub discontinuity: bool,
    pub digest: Option<String>,
    pub facts: SegmentFacts,
    /// From the last seam to the begin of this segment.
    #[serde(default)]
    pub drift: Drift,
    /// Begin and end on the media timeline of a DASH Period, ticks. Numbers of segments that are addressed by time are places in the
    /// window: another one each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticks: Option<(u64, u64)>,
    /// Key ids that its manifest declared for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_ids: Vec<String>,
}

/// How far decode times ran away from the sum of declared durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Drift {
    pub change: Span,
    /// Durations in the sum.
    pub n_segments: u32,
}

impl MediaMemory {
    /// The segment just before the one promised, if its bytes are known: by its number, in DASH by its end.
    pub fn before(&self, promised: &Promised) -> Option<&PastSegment> {
        if let Some((begin, _)) = ticks(promised) {
            return self.past.iter().rev().find(|s| s.ticks.is_some_and(|(_, end)| end == begin));
        }
        let before = promised.number?.checked_sub(1)?;
        self.past.iter().rev().find(|s| s.number == before)
    }

    /// The initialization section that the bytes of a segment were read with; the one read last where they do not tell.
    pub fn init_of(&self, facts: Option<&SegmentFacts>) -> Option<&PastInit> {
        let digest_of = |facts: &'_ SegmentFacts| facts.mp4.as_ref().and_then(|mp4| mp4.init_digest.clone());
        let Some(wanted) = facts.and_then(digest_of) else { return self.init.as_ref() };
        let mut known = self.init.iter().chain(self.older_inits.iter().rev());
        known.find(|init| digest_of(&init.facts).as_ref() == Some(&wanted))
    }

    /// To the begin of the segment `capture`, counted on from the one before; `None` where that does not tell.
    pub fn drift(&self, capture: &Capture) -> Option<Drift> {
        let promised = capture.promised.as_ref().filter(|p| !p.discontinuity)?;
        let before = self.before(promised)?;
        let (main, past) = (capture.facts.as_ref()?.main()?, before.facts.main()?);
        if main.timescale == 0 || (main.id, main.timescale) != (past.id, past.timescale) {
            return None;
        }
        let ticks = main.first_dts?.checked_sub(past.first_dts?)?;
        let step = Span::from_secs(1).mul_ratio(ticks, i64::from(main.timescale)) - before.declared?;
        // A jump, or a duration that is wrong by itself, is told where it happens: count anew behind it.
        if step.abs() > MAX_STEP || before.drift.n_segments >= MAX_DRIFT_SEGMENTS {
            return Some(Drift::default());
        }
        Some(Drift { change: before.drift.change + step, n_segments: before.drift.n_segments + 1 })
    }

    /// Follows media time over a whole segment that can be read, before it is judged.
    pub fn follow(&mut self, capture: &Capture) {
        let Some((promised, number)) = capture.promised.as_ref().and_then(|p| Some((p, p.number?))) else { return };
        let main = capture.facts.as_ref().and_then(SegmentFacts::main);
        let main = main.filter(|m| m.timescale > 0 && matches!(m.kind, EsKind::Video | EsKind::Audio));
        let Some((main, dts)) = main.and_then(|m| Some((m, m.first_dts?))).filter(|_| !capture.extra) else { return };
        let scaled = |ticks: i64| Span::from_secs(1).mul_ratio(ticks, i64::from(main.timescale));
        if promised.discontinuity {
            self.clock.forget();
        }
        let mut step = None;
        if let Some(before) = self.before(promised).filter(|_| !promised.discontinuity) {
            let past = before.facts.main().filter(|past| (past.id, past.timescale) == (main.id, main.timescale));
            let ticks = past.and_then(|past| dts.checked_sub(past.first_dts?));
            step = ticks.zip(before.declared).map(|(ticks, declared)| scaled(ticks) - declared);
            // Told where it happens.
            if step.is_none_or(|step| step.abs() > MAX_STEP) {
                self.clock.forget();
                step = None;
            }
        }
        // Numbers of a SegmentTimeline are places in the window.
        let number = ticks(promised).map_or(number, |(begin, _)| begin);
        self.clock.take(number, scaled(dts), step);
    }

    /// How far a segment of a computed list begins from where its number puts it; remembers it.
    pub fn number_drift(&mut self, capture: &Capture) -> Option<Span> {
        let promise = capture.promised.as_ref()?.dash.as_ref().filter(|p| !p.explicit && p.timescale > 0)?;
        let main = capture.facts.as_ref()?.main().filter(|m| m.timescale > 0 && m.n_access_units > 0)?;
        let off = matches!(main.kind, EsKind::Video | EsKind::Audio).then(|| off_promise(main, promise))??;
        self.number_drift.take(capture.exchange.t_end, promise, off);
        Some(off)
    }

    /// Another timeline began: numbers mean other segments.
    pub fn forget_segments(&mut self) {
        self.past.clear();
        self.clock.forget_all();
        self.history.forget_segments();
    }

    /// The segments read last, at most four.
    pub fn past(&self) -> impl DoubleEndedIterator<Item = &PastSegment> {
        self.past.iter()
    }

    /// Adds a whole segment to the sums, before it is judged.
    pub fn count(&mut self, capture: &Capture, bytes: u64, media: Span) {
        let Some((promised, number)) = capture.promised.as_ref().and_then(|p| Some((p, p.number?))) else { return };
        let main = capture.facts.as_ref().and_then(SegmentFacts::main);
        let payload = main.and_then(|m| u64::from_str_radix(m.payload_digest.as_deref()?, 16).ok());
        let sample = Sample { number, discontinuity: promised.discontinuity, bytes, media, payload };
        let inter = main.and_then(|m| m.inter_frames).filter(|s| s.n > 0).map(|s| s.mean);
        self.history.add(capture.exchange.t_end, sample, inter);
    }

    pub fn remember(&mut self, capture: &Capture, response: &Response) {
        let Some(facts) = capture.facts.clone() else { return };
        let at = capture.exchange.t_end;
        let digest = response.digest.clone();
        if capture.object == ObjectKind::Init {
            if let Some(before) = self.init.take().filter(|before| before.facts != facts) {
                if self.older_inits.len() == MAX_OLDER_INITS {
                    self.older_inits.pop_front();
                }
                self.older_inits.push_back(before);
            }
            self.init = Some(PastInit { url: capture.exchange.url_without_query(), digest, at, facts });
            return;
        }
        let drift = self.drift(capture).unwrap_or_default();
        let Some(promised) = &capture.promised else { return };
        let Some(number) = promised.number else { return };
        let ticks = ticks(promised);
        self.past.retain(|s| if ticks.is_some() { s.ticks != ticks } else { s.number != number });
        if self.past.len() == MAX_PAST {
            self.past.pop_front();
        }
        self.past.push_back(PastSegment {
            number,
            at,
            declared: promised.duration_us.map(Span::from_micros),
            bytes: response.body_bytes,
            discontinuity: promised.discontinuity,
            digest,
            facts,
            drift,
            ticks,
            key_ids: promised.key_ids.clone(),
        });
    }
}

fn ticks(promised: &Promised) -> Option<(u64, u64)> {
    promised.dash.as_ref().map(|d| (d.time, d.time.saturating_add(d.duration)))
}
