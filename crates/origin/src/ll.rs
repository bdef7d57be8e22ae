//! Low-latency HLS (draft-pantos-hls-rfc8216bis): parts as listed, blocking reloads, delta updates.
//!
//! Parts stand on a grid of equal length: a part is listed the moment it is complete, its segment with the last of them.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::fault::{Blocking, FaultKind, Hit};
use crate::hls::MediaPlaylist;
use crate::ladder::RENDITIONS;
use crate::packager::{Packager, scale};
use crate::timeline::Timeline;

/// Target durations after which a blocked request is given up (6.2.5.2).
pub(crate) const PATIENCE: i64 = 3;
/// Segments of so many target durations list their parts (6.2.2).
const PARTS_FOR: i64 = 3;
/// CAN-SKIP-UNTIL, target durations (4.4.3.8: at least six).
const SKIP_UNTIL: i64 = 6;
/// HOLD-BACK in target durations, PART-HOLD-BACK in part targets.
const HOLD_BACK: i64 = 3;
/// An AAC frame at 48 kHz, rounded up: parts of sound are cut between frames, so that one in a few is longer than the grid.
const AUDIO_SLACK_US: i64 = 22_000;
/// Segments ahead of the last one that may be asked for (6.2.5.2).
const AHEAD_SEGMENTS: i64 = 2;
/// Seconds of parts ahead that may be asked for (6.2.5.2, Advance Part Limit).
const AHEAD_S: f64 = 3.0;

/// Delivery directives of a request (6.2.5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub msn: Option<i64>,
    pub part: Option<i64>,
    pub skip: bool,
    /// One of them cannot be read.
    pub is_bad: bool,
}

impl Asked {
    pub fn parse(query: &str) -> Asked {
        let mut asked = Asked::default();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let mut number = || {
                let number = value.parse::<i64>().ok().filter(|n| (0..1 << 53).contains(n));
                asked.is_bad |= number.is_none();
                number
            };
            match name {
                "_HLS_msn" => asked.msn = number(),
                "_HLS_part" => asked.part = number(),
                "_HLS_skip" => asked.skip = matches!(value, "YES" | "v2"),
                _ => {}
            }
        }
        asked
    }
}

/// What a request has to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    Over,
    /// Look again after so many microseconds.
    Until(i64),
    /// 400.
    Refused,
}

/// The grid of parts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    /// In a segment.
    pub n_parts: i64,
}

impl Grid {
    fn part_us(self, timeline: &Timeline) -> i64 {
        timeline.segment_us / self.n_parts
    }

    /// Complete parts since the first one of segment 0.
    fn n_ready(self, timeline: &Timeline, now_us: i64) -> i64 {
        (now_us - timeline.start_us).div_euclid(self.part_us(timeline))
    }

    pub fn is_ready(self, timeline: &Timeline, now_us: i64, n: i64, part: i64) -> bool {
        n * self.n_parts + part < self.n_ready(timeline, now_us)
    }

    /// Until the next part is complete.
    fn until_next(self, timeline: &Timeline, now_us: i64) -> i64 {
        let part_us = self.part_us(timeline);
        part_us - (now_us - timeline.start_us).rem_euclid(part_us)
    }

    pub fn wait_of_playlist(self, timeline: &Timeline, now_us: i64, asked: Asked, hits: &[Hit]) -> Wait {
        let Some(msn) = asked.msn else {
            return if asked.part.is_some() || asked.is_bad { Wait::Refused } else { Wait::Over };
        };
        if asked.is_bad {
            return Wait::Refused;
        }
        let kinds = || hits.iter().map(Hit::kind);
        let is_ended = kinds().any(|kind| matches!(kind, FaultKind::Endlist {}));
        let is_ignored = kinds().any(|kind| match kind {
            FaultKind::BlockingIgnored { form } => *form == Blocking::Any || asked.part.is_none(),
            _ => false,
        });
        if is_ended || is_ignored {
            return Wait::Over;
        }
        let (edge, ready) = (timeline.edge(now_us), self.n_ready(timeline, now_us));
        let part_s = self.part_us(timeline) as f64 / 1e6;
        let ahead = if part_s < 1.0 { (AHEAD_S / part_s).ceil() as i64 } else { AHEAD_S as i64 };
        // A place behind the end of a segment is the first of the next.
        let at = asked.part.map(|part| msn.saturating_mul(self.n_parts).saturating_add(part));
        if msn > edge + AHEAD_SEGMENTS || at.is_some_and(|at| at > ready - 1 + ahead) {
            return Wait::Refused;
        }
        let has_parts = !kinds().any(|kind| matches!(kind, FaultKind::PartsMissing {}));
        let is_there = match at {
            None => msn <= edge,
            Some(at) if has_parts => at < ready,
            Some(_) => false,
        };
        if is_there { Wait::Over } else { Wait::Until(self.until_next(timeline, now_us)) }
    }

    /// A hinted part is waited for; one further ahead is not there.
    pub fn wait_of_part(self, timeline: &Timeline, now_us: i64, n: i64, part: i64) -> Wait {
        let is_next = part < self.n_parts && n * self.n_parts + part == self.n_ready(timeline, now_us);
        if is_next { Wait::Until(self.until_next(timeline, now_us)) } else { Wait::Over }
    }
}

/// What a low-latency playlist has more, as lines.
pub(crate) struct Low {
    pub head: String,
    /// Those of a listed segment.
    pub parts: BTreeMap<i64, String>,
    /// Parts of the segment that is being made, hint and reports.
    pub tail: String,
    /// Segments at the beginning that a delta update leaves out.
    pub skipped: usize,
}

impl Low {
    pub fn new(
        packager: &Packager,
        timeline: &Timeline,
        rendition: usize,
        now_us: i64,
        asked: Asked,
        list: &MediaPlaylist,
        hits: &[Hit],
    ) -> Low {
        let grid = Grid { n_parts: packager.n_parts() };
        let has = |wanted: fn(&FaultKind) -> bool| hits.iter().any(|hit| wanted(hit.kind()));
        let has_parts = !has(|kind| matches!(kind, FaultKind::PartsMissing {}));
        let all_independent = has(|kind| matches!(kind, FaultKind::PartsIndependent {}));
        let td_us = i64::from(list.target_duration) * 1_000_000;
        let real_us = grid.part_us(timeline) + AUDIO_SLACK_US;
        let told = hits.iter().find_map(|hit| match *hit.kind() {
            FaultKind::PartTarget { ms } => Some(i64::from(ms) * 1_000),
            _ => None,
        });
        let ready = grid.n_ready(timeline, now_us);
        let edge = list.segments.last().map_or(-1, |segment| segment.n);
        let end_us = timeline.start_us + ready * grid.part_us(timeline);
        let lines = |n: i64, until: i64| -> String {
            (n * grid.n_parts..until).fold(String::new(), |mut out, at| {
                let scale = i64::from(scale(rendition));
                let duration_us = packager.part_span(rendition, at).1 * 1_000_000 / scale;
                let _ = write!(out, "#EXT-X-PART:DURATION={},", seconds(duration_us));
                let _ = write!(out, "URI=\"{n}.{}.m4s\"", at - n * grid.n_parts);
                out.push_str(if all_independent || packager.is_independent(rendition, at) {
                    ",INDEPENDENT=YES\n"
                } else {
                    "\n"
                });
                out
            })
        };
        let is_near = |n: i64| end_us - timeline.wall(n) <= PARTS_FOR * td_us;
        let near = list.segments.iter().map(|segment| segment.n).filter(|n| has_parts && is_near(*n));
        let parts = near.map(|n| (n, lines(n, (n + 1) * grid.n_parts))).collect();
        let is_old = |n: i64| end_us - timeline.wall(n + 1) >= SKIP_UNTIL * td_us;
        let skipped = list.segments.iter().take_while(|segment| asked.skip && is_old(segment.n)).count();
        let mut tail = String::new();
        if !list.is_ended {
            if has_parts {
                tail = lines(edge + 1, ready);
                let part = (ready - (edge + 1) * grid.n_parts).max(0);
                let _ = writeln!(tail, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{}.{part}.m4s\"", edge + 1);
            }
            let (msn, part) = ((ready - 1).div_euclid(grid.n_parts), (ready - 1).rem_euclid(grid.n_parts));
            for name in RENDITIONS.iter().enumerate().filter(|(i, _)| *i != rendition).map(|(_, name)| name) {
                let _ = writeln!(
                    tail,
                    "#EXT-X-RENDITION-REPORT:URI=\"../{name}/index.m3u8\",LAST-MSN={msn},LAST-PART={part}"
                );
            }
        }
        let head = format!(
            "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL={},HOLD-BACK={},PART-HOLD-BACK={}\n\
             #EXT-X-PART-INF:PART-TARGET={}\n",
            seconds(SKIP_UNTIL * td_us),
            seconds(HOLD_BACK * td_us),
            seconds(HOLD_BACK * real_us),
            seconds(told.unwrap_or(real_us)),
        );
        Low { head, parts, tail, skipped }
    }
}

fn seconds(us: i64) -> String {
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read() {
        let asked = |msn, part, skip| Asked { msn, part, skip, is_bad: false };
        for (query, expected) in [
            ("", asked(None, None, false)),
            ("a=b&_HLS_msn=7", asked(Some(7), None, false)),
            ("_HLS_msn=7&_HLS_part=2&_HLS_skip=YES", asked(Some(7), Some(2), true)),
            ("_HLS_skip=NO&_HLS_skip", asked(None, None, false)),
            ("_HLS_msn=-1", Asked { is_bad: true, ..Asked::default() }),
            ("_HLS_msn=x&_HLS_part=1", Asked { part: Some(1), is_bad: true, ..Asked::default() }),
        ] {
            assert_eq!(Asked::parse(query), expected, "{query}");
        }
    }

    #[test]
    fn requests_wait_are_answered_or_refused() {
        let timeline = Timeline { start_us: 0, segment_us: 4_000_000, window: 12 };
        let grid = Grid { n_parts: 10 };
        // Segment 9 is the newest, of segment 10 three parts are there, 0.1 s ago.
        let now_us = 41_300_000;
        for (query, expected) in [
            ("", Wait::Over),
            ("_HLS_msn=9", Wait::Over),
            ("_HLS_msn=10", Wait::Until(300_000)),
            ("_HLS_msn=12", Wait::Refused),
            ("_HLS_msn=10&_HLS_part=2", Wait::Over),
            ("_HLS_msn=10&_HLS_part=3", Wait::Until(300_000)),
            ("_HLS_msn=9&_HLS_part=12", Wait::Over),
            ("_HLS_msn=9&_HLS_part=13", Wait::Until(300_000)),
            ("_HLS_msn=11&_HLS_part=0", Wait::Until(300_000)),
            ("_HLS_msn=11&_HLS_part=1", Wait::Refused),
            ("_HLS_part=1", Wait::Refused),
            ("_HLS_msn=", Wait::Refused),
        ] {
            assert_eq!(grid.wait_of_playlist(&timeline, now_us, Asked::parse(query), &[]), expected, "{query}");
        }
        for (n, part, expected) in
            [(10, 2, Wait::Over), (10, 3, Wait::Until(300_000)), (10, 4, Wait::Over), (9, 13, Wait::Over)]
        {
            assert_eq!(grid.wait_of_part(&timeline, now_us, n, part), expected, "{n}.{part}");
        }
    }
}
