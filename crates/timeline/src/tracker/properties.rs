//! What holds for any sequence of playlists.

use proptest::prelude::*;

use super::testing::{Probe, Text, at, read};
use crate::step::{Classification, DsnVerdict};
use crate::{BodyDigest, KeyRules, Observation, Outcome};
use ow_domain::Span;

/// One poll of a random stream.
#[derive(Debug, Clone)]
struct Poll {
    pause_ms: u32,
    first: u64,
    n: u64,
    scheme: u8,
    dseq: Option<u64>,
    disc_every: u64,
    duration_ms: u64,
    kind: u8,
}

fn any_poll() -> impl Strategy<Value = Poll> {
    let first = prop_oneof![0u64..60, Just(u64::MAX - 2), Just(1 << 40)];
    (0u32..30_000, first, 0u64..25, 0u8..3, prop::option::of(0u64..5), 1u64..9, 1u64..9000, 0u8..16).prop_map(
        |(pause_ms, first, n, scheme, dseq, disc_every, duration_ms, kind)| Poll {
            pause_ms,
            first,
            n,
            scheme,
            dseq,
            disc_every,
            duration_ms,
            kind,
        },
    )
}

fn body(poll: &Poll) -> String {
    let mut text = Text { td: 6, first: poll.first, dseq: poll.dseq, lines: Vec::new(), end: poll.kind == 3 };
    for i in 0..poll.n {
        let msn = poll.first.saturating_add(i);
        if msn % poll.disc_every == 0 {
            text.lines.push("#EXT-X-DISCONTINUITY".into());
        }
        text.lines.push(format!("#EXTINF:{}.{:03},", poll.duration_ms / 1000, poll.duration_ms % 1000));
        // Scheme 2 repeats names within a playlist and over time.
        text.lines.push(match poll.scheme {
            2 => format!("loop{}.ts", msn % 4),
            scheme => format!("{scheme}-{msn}.ts"),
        });
    }
    text.body()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_sequence_is_followed_in_bounds(polls in prop::collection::vec(any_poll(), 1..40)) {
        let mut probe = Probe { snapshots: false, ..Probe::new() };
        let mut now = 0.0;
        let mut epoch = 0;
        for poll in &polls {
            now += f64::from(poll.pause_ms) / 1000.0;
            let step = match poll.kind {
                0 => probe.observe(now, now + 0.1, None, Outcome::Failed),
                1 => probe.observe(now, now + 0.1, None, Outcome::NotModified),
                _ => probe.poll_body(now, now + 0.1, &body(poll), None),
            };
            prop_assert!(step.epoch >= epoch && step.epoch <= epoch + 1);
            prop_assert!(epoch == 0 || (step.epoch > epoch) == step.is_new_epoch());
            epoch = step.epoch;
            prop_assert!(step.changes.len() <= crate::step::MAX_CHANGES);
            prop_assert!(step.stale_age().is_none_or(|age| age >= Span::ZERO));
            prop_assert!(step.is_accepted() || step.new_segments.is_empty());
            let records: Vec<u64> = probe.tracker.records().map(|record| record.msn).collect();
            prop_assert!(records.windows(2).all(|pair| pair[0] <= pair[1]));
            prop_assert!(records.len() <= 25 * polls.len());
        }
    }

    /// A well-behaved stream: whatever its window, tokens, discontinuities and poll times, it raises nothing.
    #[test]
    fn a_clean_timeline_gives_only_first_advance_and_unchanged(
        start in 0u64..1_000_000,
        window in 3u64..40,
        pdt in any::<bool>(),
        disc_every in 2u64..15,
        dseq_early in any::<bool>(),
        polls in prop::collection::vec((0u64..3, any::<bool>(), any::<bool>()), 1..60),
    ) {
        let mut probe = Probe { snapshots: false, ..Probe::new() };
        // Number and DSN before the list starts: discontinuities stand before every disc_every-th segment.
        let count = |msn: u64| msn / disc_every;
        let (mut newest, mut now) = (start + window, 0.0);
        for (n, (steps, token, not_modified)) in polls.into_iter().enumerate() {
            newest += steps;
            now += 6.0 * steps.max(1) as f64;
            let first = newest - window + 1;
            let on_head = first % disc_every == 0;
            // Both ways are legal: the tag leaves with its segment, or before it when DSEQ counts it.
            let early = on_head && dseq_early;
            let mut text = Text { td: 6, first, dseq: Some(count(first) - u64::from(on_head && !early)), lines: vec![], end: false };
            for msn in first..=newest {
                if msn % disc_every == 0 && !(early && msn == first) {
                    text.lines.push("#EXT-X-DISCONTINUITY".into());
                }
                if pdt && (msn % 2 == 0 || msn == first) {
                    let second = msn * 6 % 86_400;
                    text.lines.push(format!(
                        "#EXT-X-PROGRAM-DATE-TIME:2026-11-{:02}T{:02}:{:02}:{:02}.000Z",
                        1 + msn * 6 / 86_400 % 28, second / 3600, second / 60 % 60, second % 60
                    ));
                }
                text.lines.push("#EXTINF:6.000,".into());
                let token = if token { format!("?token={n}") } else { String::new() };
                text.lines.push(format!("seg/{msn}.ts{token}"));
            }
            let step = match not_modified && steps == 0 && n > 0 {
                true => probe.observe(now, now + 0.1, None, Outcome::NotModified),
                false => probe.poll(now, &text),
            };
            match &step.classification {
                Classification::First => prop_assert_eq!(n, 0),
                Classification::Unchanged => prop_assert_eq!(steps, 0),
                Classification::NoNewSegment { head_came_back } => prop_assert!(steps == 0 && !head_came_back),
                Classification::Advance { n_new, head_came_back } => {
                    prop_assert!(*n_new == steps && !head_came_back);
                    prop_assert_eq!(step.new_segments.len() as u64, steps);
                    prop_assert_eq!(step.removed_segments.len() as u64, steps);
                }
                other => prop_assert!(false, "{:?}", other),
            }
            prop_assert!(step.changes.is_empty() && step.regressed.is_none() && step.pdt_moved.is_none());
            let is_wrong = matches!(step.dsn, DsnVerdict::Wrong { .. });
            prop_assert!(!is_wrong, "{:?}", step.dsn);
            prop_assert_eq!(step.epoch, 1);
            prop_assert!(step.pdt_steps.iter().all(|s| s.step == Span::ZERO || s.step.abs() > Span::from_secs(3600)));
        }
    }
}

#[test]
fn history_stays_bounded_under_endless_rewriting() {
    let mut tracker = crate::HlsTracker::new(KeyRules::default());
    for n in 0..300u64 {
        // Every poll a jump with a new window and new URIs, far faster than real time.
        let body = Text::named(n * 20..=n * 20 + 9, |msn| format!("{n}-{msn}.ts")).body();
        let playlist = read(&body);
        tracker.step(&Observation {
            t_req: at(n as f64 / 100.0),
            t_end: at(n as f64 / 100.0),
            clock_uncertainty: Span::ZERO,
            final_url: "https://h/i.m3u8",
            age: None,
            outcome: Outcome::Ok { playlist: &playlist, digest: BodyDigest::of(&body) },
        });
    }
    assert!(tracker.records().count() <= 1100, "{}", tracker.records().count());
}
