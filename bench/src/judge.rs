//! The judge of one channel: captures a second of CPU time, and what its snapshot weighs.

use std::fmt::Write;

use anyhow::{Context, Result};
use ow_checks::ChannelJudge;
use ow_checks::bench::{synthetic_captures, synthetic_policy};
use ow_contracts::envelope;
use ow_domain::Time;
use ow_domain::capture::Capture;
use ow_domain::verdict::Position;

use crate::cpu::{Of, used};
use crate::median;

const N_CAPTURES: usize = 40_000;
const PASSES: usize = 5;

pub fn run() -> Result<String> {
    let captures = synthetic_captures(N_CAPTURES);
    let (mut judging, mut whole) = (Vec::new(), Vec::new());
    let mut judge = new()?;
    for _ in 0..PASSES {
        judge = new()?;
        let start = used(Of::ThisThread);
        let mut n_findings = 0;
        for (n, capture) in captures.iter().enumerate() {
            n_findings += judge.apply(capture, position(n)).findings.len();
        }
        judging.push(N_CAPTURES as f64 / (used(Of::ThisThread) - start).as_secs_f64());
        anyhow::ensure!(n_findings == 0, "the healthy channel has {n_findings} findings");
    }
    // As they come from the bus: compressed JSON.
    let some = &captures[..N_CAPTURES / 4];
    let messages: Vec<envelope::Encoded> =
        some.iter().map(|c| envelope::encode(c, "bench", None)).collect::<std::result::Result<_, _>>()?;
    for _ in 0..PASSES {
        let mut judge = new()?;
        let start = used(Of::ThisThread);
        for (n, message) in messages.iter().enumerate() {
            let header = |name: &str| message.headers.iter().find(|(h, _)| *h == name).map(|(_, v)| v.as_str());
            let capture: Capture = envelope::decode(header, &message.body)?;
            judge.apply(&capture, position(n));
        }
        whole.push(messages.len() as f64 / (used(Of::ThisThread) - start).as_secs_f64());
    }
    let json = serde_json::to_vec(&judge)?;
    let packed = zstd::bulk::compress(&json, 1)?.len();
    let mut out = String::from("| figure | value |\n|---|---|\n");
    writeln!(out, "| captures per CPU second, judging alone (promise 20,000) | {:.0} |", median(judging))?;
    writeln!(out, "| captures per CPU second, decompressed, decoded and judged | {:.0} |", median(whole))?;
    let size: usize = messages.iter().map(|m| m.body.len()).sum();
    writeln!(out, "| bytes of a capture on the bus, mean | {} |", size / messages.len())?;
    writeln!(out, "| snapshot of a channel of 4 renditions, bytes of JSON | {} |", json.len())?;
    writeln!(out, "| the same as kept, compressed | {packed} |")?;
    Ok(out)
}

fn new() -> Result<ChannelJudge> {
    Ok(ChannelJudge::new(synthetic_policy().context("the policy of the bench")?, Time::UNIX_EPOCH))
}

fn position(n: usize) -> Position {
    Position { epoch: 1, seq: n as u64 + 1 }
}
