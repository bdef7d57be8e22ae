//! One timeline: the records of an epoch (or of a candidate), and what taking in one more playlist changes.

use std::collections::VecDeque;

use ow_domain::{Span, Time};
use serde::{Deserialize, Serialize};

use super::labels::Labels;
use super::view::{Item, View, same_range};
use super::{EXTINF_TOLERANCE, PDT_TOLERANCE};
use crate::step::{
    Changed, ChangedField, DsnVerdict, EndList, MAX_CHANGES, NewSegment, PdtMoved, PdtStep, RemovedSegment,
    SegmentChange,
};
use crate::{BodyDigest, Record, SegmentFacts};

/// Removed segments stay for the larger of this and twice the window (`history_window_s`) ...
const HISTORY_WINDOW: Span = Span::from_secs(600);
/// ... but never more of them than this or twice the listed ones.
const MAX_REMOVED: usize = 1024;
/// Window lengths remembered for [`RemovedSegment::longest_window`].
const MAX_PEAKS: usize = 256;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Timeline {
    /// By number, strictly growing; the listed ones and, before them, removed ones.
    pub records: VecDeque<Record>,
    pub a0: u64,
    pub a1: u64,
    pub n_listed: u32,
    pub digest: BodyDigest,
    /// End of the last response that showed the newest segment.
    pub shown_end: Time,
    pub window: Span,
    pub target_duration_s: Option<u64>,
    pub version: u32,
    pub ended: bool,
    /// PDT at the end of the newest segment.
    pub pdt_end: Option<Time>,
    /// (time, W), W falling: the longest window since a time is the first entry not older than it.
    peaks: VecDeque<(Time, Span)>,
}

/// What [`Timeline::take`] found.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub new_segments: Vec<NewSegment>,
    pub removed_segments: Vec<RemovedSegment>,
    pub changes: Vec<SegmentChange>,
    pub n_changes: u32,
    pub dsn: Option<DsnVerdict>,
    pub pdt_moved: Option<PdtMoved>,
    pub pdt_steps: Vec<PdtStep>,
    pub target_duration_changed: Option<Changed<u64>>,
    pub version_changed: Option<Changed<u32>>,
    pub end_list: Option<EndList>,
}

impl Timeline {
    /// A timeline that begins with this playlist.
    pub fn begin(view: &View<'_>, digest: BodyDigest, t_end: Time) -> Self {
        let record = |item: &Item<'_>| Record {
            msn: item.segment.msn,
            first: item.facts(),
            latest: None,
            first_seen_end: t_end,
            first_window_start: view.n0,
            removed_at: None,
            seen_late: true,
        };
        Self {
            records: view.items.iter().map(record).collect(),
            a0: view.n0,
            a1: view.n1,
            n_listed: u32::try_from(view.items.len()).unwrap_or(u32::MAX),
            digest,
            shown_end: t_end,
            window: view.window,
            target_duration_s: view.playlist.target_duration.map(|at| at.value),
            version: view.playlist.version.map_or(1, |at| at.value),
            ended: view.playlist.end_list.is_some(),
            pdt_end: view.pdt_end(),
            peaks: VecDeque::from([(t_end, view.window)]),
        }
    }

    pub fn target_duration(&self) -> Span {
        Span::from_secs(self.target_duration_s.and_then(|s| i64::try_from(s).ok()).unwrap_or(0))
    }

    pub fn newest(&self) -> Option<&Record> {
        self.find(self.a1)
    }

    pub fn find(&self, msn: u64) -> Option<&Record> {
        self.index_of(msn).ok().and_then(|i| self.records.get(i))
    }

    /// Index of the record, or where it belongs.
    fn index_of(&self, msn: u64) -> Result<usize, usize> {
        // Numbers are contiguous but for jumps: the guess from the front is right nearly always.
        let front = self.records.front().map_or(0, |record| record.msn);
        if let Some(guess) = msn.checked_sub(front).and_then(|i| usize::try_from(i).ok())
            && self.records.get(guess).is_some_and(|record| record.msn == msn)
        {
            return Ok(guess);
        }
        self.records.binary_search_by_key(&msn, |record| record.msn)
    }

    /// Everything listed, as if it were all new: for a first look and a new epoch.
    pub fn all_as_new(&self, view: Option<&View<'_>>) -> Taken {
        let listed = self.records.iter().filter(|record| record.removed_at.is_none());
        let new_segments: Vec<NewSegment> =
            listed.enumerate().map(|(i, record)| new_segment(record, i, false)).collect();
        let pdt_steps = view.map(|view| pdt_steps(view, 0, None)).unwrap_or_default();
        let end_list = Some(if self.ended { EndList::Appeared } else { EndList::Absent });
        Taken { new_segments, pdt_steps, end_list, ..Taken::default() }
    }

    /// Takes in a playlist that continues this timeline (k = 0, or higher numbers).
    pub fn take(&mut self, view: &View<'_>, digest: BodyDigest, t_end: Time, labels: &Labels) -> Taken {
        let mut taken = Taken { dsn: self.seam_dsn(view), ..Taken::default() };
        let (old_a1, old_pdt_end) = (self.a1, self.pdt_end);
        let mut n_compared = 0u32;
        let mut inserted: Vec<Record> = Vec::new();
        for (i, item) in view.items.iter().enumerate() {
            let msn = item.segment.msn;
            match self.index_of(msn) {
                Ok(at) => {
                    n_compared += 1;
                    let record = &mut self.records[at];
                    record.removed_at = None;
                    compare(record, item, view.n0, labels, &mut taken);
                }
                Err(at) => {
                    let after_unseen = msn > old_a1 && i == 0 && msn - old_a1 > 1;
                    let record = Record {
                        msn,
                        first: item.facts(),
                        latest: None,
                        first_seen_end: t_end,
                        first_window_start: view.n0,
                        removed_at: None,
                        seen_late: msn <= old_a1,
                    };
                    taken.new_segments.push(new_segment(&record, i, after_unseen));
                    if at == self.records.len() {
                        self.records.push_back(record);
                    } else {
                        inserted.push(record);
                    }
                }
            }
        }
        if !inserted.is_empty() {
            self.records.extend(inserted);
            self.records.make_contiguous().sort_by_key(|record| record.msn);
        }
        if taken.dsn.is_none() && n_compared > 0 {
            taken.dsn = Some(DsnVerdict::Consistent);
        }
        let first_new = view.items.partition_point(|item| item.segment.msn <= old_a1);
        let joins = view.n0 == old_a1.saturating_add(1);
        taken.pdt_steps = pdt_steps(view, first_new, if joins { old_pdt_end } else { None });
        self.remember(view, digest, t_end, &mut taken);
        self.forget(t_end);
        taken
    }

    /// The URIs of the shared numbers are other ones now, and nothing else is.
    pub fn take_uris(&mut self, view: &View<'_>) -> u32 {
        let mut n = 0;
        for item in &view.items {
            if let Ok(at) = self.index_of(item.segment.msn) {
                let record = &mut self.records[at];
                record.first.key = item.key;
                record.first.uri = item.segment.uri.clone();
                record.first.map = item.map;
                record.latest = None;
                n += 1;
            }
        }
        n
    }

    fn remember(&mut self, view: &View<'_>, digest: BodyDigest, t_end: Time, taken: &mut Taken) {
        let from = self.records.partition_point(|record| record.msn < self.a0);
        for record in self.records.iter_mut().skip(from).take_while(|record| record.msn < view.n0) {
            if record.removed_at.is_none() {
                record.removed_at = Some(t_end);
                let at = self.peaks.partition_point(|(time, _)| *time < record.first_seen_end);
                taken.removed_segments.push(RemovedSegment {
                    msn: record.msn,
                    uri: record.now().uri.clone(),
                    duration: record.now().duration,
                    first_seen_end: record.first_seen_end,
                    longest_window: self.peaks.get(at).map_or(self.window, |(_, window)| *window),
                });
            }
        }
        self.a0 = view.n0;
        self.a1 = view.n1;
        self.n_listed = u32::try_from(view.items.len()).unwrap_or(u32::MAX);
        self.digest = digest;
        self.shown_end = t_end;
        self.window = view.window;
        self.pdt_end = view.pdt_end();
        while self.peaks.back().is_some_and(|(_, window)| *window <= view.window) {
            self.peaks.pop_back();
        }
        self.peaks.push_back((t_end, view.window));
        if self.peaks.len() > MAX_PEAKS {
            self.peaks.pop_front();
        }
        let playlist = view.playlist;
        if let Some(after) = playlist.target_duration.map(|at| at.value) {
            taken.target_duration_changed =
                self.target_duration_s.filter(|&before| before != after).map(|before| Changed { before, after });
            self.target_duration_s = Some(after);
        }
        let version = playlist.version.map_or(1, |at| at.value);
        if version != self.version {
            taken.version_changed = Some(Changed { before: self.version, after: version });
            self.version = version;
        }
        taken.end_list = Some(match (self.ended, playlist.end_list.is_some()) {
            (false, false) => EndList::Absent,
            (false, true) => EndList::Appeared,
            (true, true) => EndList::Present,
            (true, false) => EndList::Removed,
        });
        self.ended = playlist.end_list.is_some();
    }

    fn forget(&mut self, now: Time) {
        let keep = HISTORY_WINDOW.max(self.window + self.window);
        let max_removed = MAX_REMOVED.max(2 * self.n_listed as usize);
        let mut n_removed = self.records.len().saturating_sub(self.n_listed as usize);
        while let Some(removed_at) = self.records.front().and_then(|record| record.removed_at) {
            if now - removed_at <= keep && n_removed <= max_removed {
                break;
            }
            self.records.pop_front();
            n_removed = n_removed.saturating_sub(1);
        }
    }

    /// DSN across a window that was left behind as a whole; `None` when numbers overlap.
    fn seam_dsn(&self, view: &View<'_>) -> Option<DsnVerdict> {
        let last = self.newest()?.first.dsn;
        let first = view.items.first()?;
        let missed = view.n0.checked_sub(self.a1)?.checked_sub(1)?;
        let found = first.segment.dsn;
        let expected = last.saturating_add(u64::from(first.segment.discontinuity.is_some()));
        let wrong = |at_least| DsnVerdict::Wrong { msn: view.n0, expected, found, at_least, n_segments: 1 };
        Some(match missed {
            0 if found == expected => DsnVerdict::Consistent,
            0 => wrong(false),
            _ if found < last => wrong(true),
            _ => DsnVerdict::Unknown,
        })
    }
}

/// One segment against its first sight (and the last one, to tell what is new).
fn compare(record: &mut Record, item: &Item<'_>, n0: u64, labels: &Labels, taken: &mut Taken) {
    let found = item.segment.dsn;
    if found != record.first.dsn {
        match &mut taken.dsn {
            Some(DsnVerdict::Wrong { n_segments, .. }) => *n_segments += 1,
            dsn => {
                let expected = record.first.dsn;
                *dsn = Some(DsnVerdict::Wrong { msn: record.msn, expected, found, at_least: false, n_segments: 1 });
            }
        }
    }
    match (record.first.pdt, item.pdt) {
        (Some(before), Some(after)) if (after - before).abs() > PDT_TOLERANCE => {
            let n_removed_since = n0.saturating_sub(record.first_window_start);
            let moved = PdtMoved { msn: record.msn, before, after, n_segments: 1, n_removed_since };
            taken.pdt_moved = Some(match taken.pdt_moved.take() {
                Some(largest) if (largest.after - largest.before).abs() >= (after - before).abs() => {
                    PdtMoved { n_segments: largest.n_segments + 1, ..largest }
                }
                Some(largest) => PdtMoved { n_segments: largest.n_segments + 1, ..moved },
                None => moved,
            });
        }
        (None, Some(_)) => {
            record.first.pdt = item.pdt;
            record.first.pdt_own = item.segment.program_date_time.is_some();
        }
        _ => {}
    }
    // At the head the tag may leave before its segment, if DSEQ counts it (BIS 6.2.2).
    let tag_may_leave = record.msn == n0 && found == record.first.dsn;
    let agrees = item.agrees(&record.first, tag_may_leave);
    if record.latest.is_none() && agrees {
        return;
    }
    let mut now = item.facts();
    if tag_may_leave {
        now.discontinuity = record.first.discontinuity;
    }
    let before = record.latest.take();
    let previous = before.as_deref().unwrap_or(&record.first);
    let new: Vec<&'static str> = changed_fields(previous, &now, labels).iter().map(ChangedField::as_str).collect();
    for field in changed_fields(&record.first, &now, labels) {
        taken.n_changes += 1;
        if taken.changes.len() < MAX_CHANGES {
            let is_new = new.contains(&field.as_str());
            let first_seen_end = record.first_seen_end;
            taken.changes.push(SegmentChange { msn: record.msn, field, is_new, first_seen_end });
        }
    }
    if !agrees {
        record.latest = Some(Box::new(now));
    }
}

fn changed_fields(before: &SegmentFacts, after: &SegmentFacts, labels: &Labels) -> Vec<ChangedField> {
    let mut fields = Vec::new();
    let range_changed = !same_range(before.byte_range, after.byte_range);
    if range_changed {
        fields.push(ChangedField::ByteRange { before: before.byte_range, after: after.byte_range });
    }
    // The key holds the range, too: with the same text only the range is another one.
    if before.key != after.key && !(range_changed && before.uri == after.uri) {
        fields.push(ChangedField::Uri { before: before.uri.clone(), after: after.uri.clone() });
    }
    if (before.duration - after.duration).abs() > EXTINF_TOLERANCE {
        fields.push(ChangedField::Extinf { before: before.duration, after: after.duration });
    }
    if before.map != after.map {
        fields.push(ChangedField::Map { before: labels.text(before.map), after: labels.text(after.map) });
    }
    if before.keys != after.keys {
        fields.push(ChangedField::Key { before: labels.text(before.keys), after: labels.text(after.keys) });
    }
    if before.discontinuity != after.discontinuity {
        fields.push(ChangedField::Discontinuity { before: before.discontinuity, after: after.discontinuity });
    }
    if before.gap != after.gap {
        fields.push(ChangedField::Gap { before: before.gap, after: after.gap });
    }
    fields
}

fn new_segment(record: &Record, index: usize, after_unseen: bool) -> NewSegment {
    let facts = record.now();
    NewSegment {
        msn: record.msn,
        index: u32::try_from(index).unwrap_or(u32::MAX),
        uri: facts.uri.clone(),
        duration: facts.duration,
        dsn: facts.dsn,
        discontinuity: facts.discontinuity,
        gap: facts.gap,
        pdt: facts.pdt,
        after_unseen,
        seen_late: record.seen_late,
    }
}

/// `before_first` is the PDT at the end of the segment before item 0, where that is known and joins.
fn pdt_steps(view: &View<'_>, first_new: usize, before_first: Option<Time>) -> Vec<PdtStep> {
    let end_before = |i: usize| match i.checked_sub(1).and_then(|before| view.items.get(before)) {
        Some(before) => before.pdt.map(|pdt| pdt + before.duration),
        None => before_first,
    };
    let step = |(i, item): (usize, &Item<'_>)| {
        item.segment.program_date_time?;
        let step = item.pdt? - end_before(i)?;
        Some(PdtStep { msn: item.segment.msn, step, same_dsn: item.segment.discontinuity.is_none() })
    };
    view.items.iter().enumerate().skip(first_new).filter_map(step).collect()
}
