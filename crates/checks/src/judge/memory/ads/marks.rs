//! When breaks begin on the wall clock of a presentation, so that two of them can be compared.

use std::collections::VecDeque;

use ow_domain::{Span, Time};
use serde::{Deserialize, Serialize};

/// Breaks remembered.
const MAX_MARKS: usize = 32;
/// Two dates of one break.
const SAME: Span = Span::from_secs(1);
/// A mark farther away is about another break.
const NEAR: Span = Span::from_secs(30);
/// An edge that moved by more was lost sight of.
const LOST: Span = Span::from_secs(60);

/// Breaks of one presentation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AdMarks {
    /// From here to the edge nothing was missed.
    since: Option<Time>,
    edge: Option<Time>,
    /// How long it may take until a manifest tells what is new.
    pause: Span,
    marks: VecDeque<Mark>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Mark {
    at: Time,
    planned: Option<Span>,
    judged: bool,
}

/// A break of one presentation, and the nearest one of the other.
#[derive(Debug, Clone, PartialEq)]
pub struct MarkPair {
    pub at: Time,
    /// It is of the HLS stream.
    pub is_hls: bool,
    pub planned: Option<Span>,
    /// How much later it begins there, and how long it is planned to last.
    pub partner: Option<(Span, Option<Span>)>,
}

impl AdMarks {
    /// A manifest was read that goes up to `edge`.
    pub(crate) fn reaches(&mut self, edge: Time, pause: Span) {
        if self.edge.is_none_or(|before| (edge - before).abs() > LOST) {
            (self.since, self.edge) = (Some(edge), Some(edge));
        }
        self.edge = self.edge.max(Some(edge));
        self.pause = pause;
    }

    /// A break begins at `at`.
    pub(crate) fn add(&mut self, at: Time, planned: Option<Span>) {
        if let Some(known) = self.marks.iter_mut().find(|m| (m.at - at).abs() <= SAME) {
            known.planned = known.planned.or(planned);
            return;
        }
        if self.marks.len() == MAX_MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back(Mark { at, planned, judged: false });
    }

    /// The newest time that was seen, and from when on nothing was missed.
    pub(crate) fn watched(&self) -> Option<(Time, Time)> {
        self.since.zip(self.edge)
    }

    fn nearest(&self, at: Time) -> Option<&Mark> {
        let near = self.marks.iter().filter(|m| (m.at - at).abs() <= NEAR);
        near.min_by_key(|m| (m.at - at).abs())
    }
}

/// Breaks that both presentations have passed, each told once.
pub(crate) fn compare(hls: &mut AdMarks, dash: &mut AdMarks) -> Vec<MarkPair> {
    let (Some(since), Some(edge)) = (hls.since.max(dash.since), hls.edge.zip(dash.edge).map(|(a, b)| a.min(b))) else {
        return Vec::new();
    };
    if hls.since.is_none() || dash.since.is_none() {
        return Vec::new();
    }
    let pause = hls.pause.max(dash.pause);
    let until = edge - (pause + pause);
    let mut pairs = due(hls, dash, since, until, true);
    pairs.extend(due(dash, hls, since, until, false));
    pairs
}

fn due(own: &mut AdMarks, other: &AdMarks, since: Time, until: Time, is_hls: bool) -> Vec<MarkPair> {
    let mut pairs = Vec::new();
    for mark in own.marks.iter_mut().filter(|m| !m.judged && m.at <= until) {
        mark.judged = true;
        // What began before both were watched may have been told before; and who never told a break may not mean to: that
        // is no deviation between two that tell them.
        if mark.at - since > NEAR && !other.marks.is_empty() {
            let partner = other.nearest(mark.at).map(|m| (m.at - mark.at, m.planned));
            pairs.push(MarkPair { at: mark.at, is_hls, planned: mark.planned, partner });
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Time {
        Time::from_unix_micros(second * 1_000_000)
    }

    fn watched(marks: &[i64], from: i64, to: i64) -> AdMarks {
        let mut found = AdMarks::default();
        for edge in (from..=to).step_by(4) {
            found.reaches(at(edge), Span::from_secs(4));
            marks.iter().filter(|m| **m <= edge && **m > edge - 24).for_each(|m| {
                found.add(at(*m), Some(Span::from_secs(16)));
            });
        }
        found
    }

    #[test]
    fn each_break_is_compared_once_when_both_have_passed_it() {
        let (mut hls, mut dash) = (watched(&[100, 200, 300], 0, 304), watched(&[101, 300], 0, 304));
        let pairs = compare(&mut hls, &mut dash);
        let told: Vec<_> = pairs.iter().map(|p| (p.at, p.is_hls, p.partner.map(|(off, _)| off))).collect();
        let second = Some(Span::from_secs(1));
        let back = second.map(|s| Span::ZERO - s);
        assert_eq!(told, [(at(100), true, second), (at(200), true, None), (at(101), false, back)]);
        assert!(compare(&mut hls, &mut dash).is_empty(), "once, and 300 is too near to the edge");
    }

    #[test]
    fn what_one_of_them_could_not_see_is_not_compared() {
        let (mut hls, mut dash) = (watched(&[100], 0, 200), watched(&[], 90, 200));
        assert!(compare(&mut hls, &mut dash).is_empty());
        let (mut hls, mut dash) = (watched(&[100], 0, 200), AdMarks::default());
        assert!(compare(&mut hls, &mut dash).is_empty());
        // The DASH stream was lost for two minutes around the break.
        let mut dash = watched(&[], 0, 60);
        dash.reaches(at(180), Span::from_secs(4));
        assert!(compare(&mut watched(&[100], 0, 200), &mut dash).is_empty());
    }

    #[test]
    fn who_never_tells_a_break_is_not_compared() {
        let (mut hls, mut dash) = (watched(&[100, 200], 0, 304), watched(&[], 0, 304));
        assert!(compare(&mut hls, &mut dash).is_empty());
        dash.add(at(260), None);
        hls.add(at(260), None);
        let pairs = compare(&mut hls, &mut dash);
        assert!(pairs.iter().all(|p| p.at == at(260)), "what was is not told afterwards: {pairs:?}");
    }

    #[test]
    fn marks_are_bounded() {
        let mut marks = AdMarks::default();
        (0..1_000).for_each(|n| marks.add(at(n * 10), None));
        assert_eq!(marks.marks.len(), MAX_MARKS);
    }
}
