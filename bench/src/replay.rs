//! Replay of recorded hours from a bundle: read, decompressed, judged.

use std::fmt::Write;

use anyhow::{Context, Result, ensure};
use ow_checks::bench::{synthetic_captures, synthetic_policy};
use ow_contracts::bundle::{Header, Reader, Writer};
use ow_domain::capture::Tick;
use ow_domain::verdict::Position;
use ow_domain::{Partition, Span, Time};
use ow_validator::replay::{FixedPolicies, Replayer, fact_of, verdicts};

use crate::cpu::{Of, used};
use crate::median;

const HOURS: i64 = 4;
/// Captures of the synthetic channel: four playlists and four segments each six seconds.
const CAPTURES_AN_HOUR: usize = 4_800;
const PASSES: usize = 5;

pub fn run() -> Result<String> {
    let (bytes, n_facts) = bundle()?;
    let mut rates = Vec::new();
    let mut n_verdicts = 0;
    for _ in 0..PASSES {
        let start = used(Of::ThisThread);
        let mut reader = Reader::new(&bytes[..])?;
        let mut replayer = Replayer::new(FixedPolicies::new([reader.header().policy.clone()]));
        let (mut seq, mut said) = (0, 0);
        while let Some(fact) = reader.next()? {
            seq += 1;
            let step = replayer.judge(fact_of(&fact, fact.at()), Position { epoch: 0, seq })?;
            said += verdicts(&step).count();
        }
        ensure!(reader.is_whole() && seq == n_facts, "{seq} facts of {n_facts}");
        rates.push(n_facts as f64 / (used(Of::ThisThread) - start).as_secs_f64());
        n_verdicts = said;
    }
    let rate = median(rates);
    let times = rate * (HOURS * 3_600) as f64 / n_facts as f64;
    let mut out = String::from("| figure | value |\n|---|---|\n");
    writeln!(out, "| captures and ticks per CPU second, read from a bundle and judged | {rate:.0} |")?;
    writeln!(out, "| one channel of 4 renditions, times as fast as it happened | {times:.0} |")?;
    writeln!(out, "| bytes of its bundle per hour | {} |", bytes.len() as i64 / HOURS)?;
    writeln!(out, "| verdicts per hour | {} |", n_verdicts as i64 / HOURS)?;
    Ok(out)
}

/// The bundle of some hours, and how many facts it holds.
fn bundle() -> Result<(Vec<u8>, u64)> {
    let captures = synthetic_captures(CAPTURES_AN_HOUR * HOURS as usize);
    let policy = synthetic_policy().context("the policy of the bench")?;
    let partition = Partition::of(&policy.channel);
    let start = captures.first().map_or(Time::UNIX_EPOCH, |c| c.exchange.t_req);
    let mut writer = Writer::new(Vec::new(), &Header::new("bench", start, policy))?;
    let mut next = start;
    for capture in &captures {
        while next <= capture.exchange.t_end {
            writer.tick(&Tick { partition, at: next })?;
            next += Span::from_secs(1);
        }
        writer.capture(capture)?;
    }
    let counts = writer.counts();
    Ok((writer.finish()?, counts.captures + counts.ticks))
}
