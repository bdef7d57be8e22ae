//! Cues for advertisements: `EXT-X-DATERANGE` with SCTE-35 commands, and the `EXT-X-CUE-*` tags that many packagers write beside it.

use std::fmt::Write;

use crate::config::AdBreaks;
use crate::fault::{FaultKind, Hit};
use crate::timeline::{Timeline, iso};
use crate::ts::with_crc;

/// 33 bits of 90 kHz.
const WRAP: i64 = 1 << 33;

/// Where a segment stands to a break: the break's first segment, and how many segments after it; `None` between breaks.
fn place(ads: AdBreaks, n: i64) -> Option<(i64, i64)> {
    let after = n.rem_euclid(ads.every_segments.into());
    (after <= i64::from(ads.segments)).then_some((n - after, after))
}

/// Tags in front of segment `n`; `is_first`: it is the oldest listed.
pub(crate) fn tags(ads: AdBreaks, timeline: &Timeline, n: i64, is_first: bool, hits: &[Hit]) -> String {
    let mut out = String::new();
    let since = |hit: &Hit| timeline.edge(hit.since_us) + 1;
    let has = |wanted: fn(&FaultKind) -> bool| hits.iter().any(|h| wanted(h.kind()));
    let early: i64 =
        hits.iter().map(|h| if let FaultKind::CueEarly { segments } = *h.kind() { segments.into() } else { 0 }).sum();
    let Some((start, after)) = place(ads, n + early) else { return out };
    let stopped = |h: &Hit| matches!(h.kind(), FaultKind::CuesStop {}) && start >= since(h);
    if hits.iter().any(stopped) {
        return out;
    }
    let length = i64::from(ads.segments);
    let seconds = |segments: i64| segments * timeline.segment_us / 1_000_000;
    let no_start = has(|k| matches!(k, FaultKind::DaterangeWithoutStart {}));
    // The range is told where it starts, and again where a player joins.
    if after == 0 || after == length || is_first {
        let _ = write!(out, "#EXT-X-DATERANGE:ID=\"ad-{start}\"");
        if !no_start {
            let _ = write!(out, ",START-DATE=\"{}\"", iso(timeline.wall(start)));
        }
        let _ = write!(out, ",PLANNED-DURATION={}", seconds(length));
        if after == length {
            let _ = writeln!(out, ",SCTE35-IN=0x{}", hex(&splice_insert(timeline, start, length, false)));
        } else {
            let _ = writeln!(out, ",SCTE35-OUT=0x{}", hex(&splice_insert(timeline, start, length, true)));
        }
    }
    let wrong = has(|k| matches!(k, FaultKind::CueContWrong {}));
    match after {
        0 => {
            let _ = writeln!(out, "#EXT-X-CUE-OUT:DURATION={}", seconds(length));
        }
        _ if after == length => out.push_str("#EXT-X-CUE-IN\n"),
        _ => {
            // Counted backwards is wrong from the first on.
            let elapsed = if wrong { length - after + 3 } else { after };
            let _ = writeln!(out, "#EXT-X-CUE-OUT-CONT:ElapsedTime={},Duration={}", seconds(elapsed), seconds(length));
        }
    }
    out
}

/// ANSI/SCTE 35 9.7.3 splice_insert, for the whole programme at the media time of the break's begin or end.
fn splice_insert(timeline: &Timeline, start: i64, length: i64, out_of_network: bool) -> Vec<u8> {
    let ticks = |n: i64| n * (timeline.segment_us / 1_000) * 90;
    let at = ticks(if out_of_network { start } else { start + length }).rem_euclid(WRAP) as u64;
    let mut command = (start as u32).to_be_bytes().to_vec();
    // Not cancelled; out of network, whole programme, duration, not immediate.
    command.extend_from_slice(&[0x7f, if out_of_network { 0xef } else { 0x4f }]);
    let time = |flags: u64, ticks: u64| ((flags << 33) | ticks).to_be_bytes()[3..].to_vec();
    // time_specified_flag and six reserved bits; auto_return and six reserved bits.
    command.extend(time(0x7f, at));
    if out_of_network {
        command.extend(time(0x7f, ticks(length) as u64));
    }
    // unique_program_id, avail_num, avails_expected.
    command.extend_from_slice(&[0, 1, 0, 0]);
    // protocol_version 0, no encryption, pts_adjustment 0, cw_index, tier 0xfff.
    let mut section = vec![0xfc, 0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0xff];
    section.extend_from_slice(&[0xf0 | (command.len() >> 8) as u8, command.len() as u8, 5]);
    section.extend(command);
    // No descriptors.
    section.extend_from_slice(&[0, 0]);
    section[2] = (section.len() + 4 - 3) as u8;
    with_crc(section)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, b| {
        let _ = write!(out, "{b:02X}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_break_has_a_beginning_a_middle_and_an_end() {
        let timeline = Timeline { start_us: 1_767_225_600_000_000, segment_us: 4_000_000, window: 6 };
        let ads = AdBreaks { every_segments: 15, segments: 4 };
        let of = |n| tags(ads, &timeline, n, false, &[]);
        assert!(of(29).is_empty());
        let first = of(30);
        assert!(first.starts_with("#EXT-X-DATERANGE:ID=\"ad-30\",START-DATE=\"2026-01-01T00:02:00.000Z\",PLANNED-DURATION=16,SCTE35-OUT=0xFC"), "{first}");
        assert!(first.ends_with("#EXT-X-CUE-OUT:DURATION=16\n"), "{first}");
        assert_eq!(of(32), "#EXT-X-CUE-OUT-CONT:ElapsedTime=8,Duration=16\n");
        assert!(of(34).contains("SCTE35-IN=0xFC") && of(34).ends_with("#EXT-X-CUE-IN\n"));
        assert!(of(35).is_empty());
        assert!(tags(ads, &timeline, 32, true, &[]).starts_with("#EXT-X-DATERANGE:ID=\"ad-30\""));
    }

    #[test]
    fn a_splice_insert_reads_back() {
        let timeline = Timeline { start_us: 0, segment_us: 4_000_000, window: 6 };
        let section = splice_insert(&timeline, 30, 4, true);
        assert_eq!(section.len(), 3 + usize::from(section[2]), "section_length");
        assert_eq!(with_crc(section.clone())[section.len()..], [0; 4], "CRC");
        assert_eq!(section[13], 5, "splice_insert");
        assert_eq!(u32::from_be_bytes([section[14], section[15], section[16], section[17]]), 30, "splice_event_id");
        let ticks = |at: usize| section[at..at + 5].iter().fold(0u64, |n, b| n << 8 | u64::from(*b)) & 0x1_ffff_ffff;
        assert_eq!((ticks(20), ticks(25)), (30 * 360_000, 4 * 360_000));
        assert_eq!(usize::from(section[12]), section.len() - 14 - 2 - 4, "splice_command_length");
    }
}
