//! The yardstick: wrk, which reads and throws away.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::cpu::{Of, Rate, used};

pub fn run(url: &str, time: Duration) -> Result<Rate> {
    let (cpu, start) = (used(Of::Children), Instant::now());
    let ran = Command::new("wrk").args(["-t1", "-c32", &format!("-d{}s", time.as_secs()), url]).output();
    let ran = ran.context("run wrk; scripts/setup.sh test installs it")?;
    let (cpu, wall) = (used(Of::Children) - cpu, start.elapsed());
    let text = String::from_utf8_lossy(&ran.stdout);
    ensure!(ran.status.success() && !text.contains("Non-2xx") && !text.contains("Socket errors"), "wrk: {text}");
    // "  94035 requests in 3.00s, 1.20GB read"
    let n = text.lines().find_map(|line| line.split_once(" requests in ")?.0.trim().parse().ok());
    Ok(Rate { n: n.with_context(|| format!("wrk tells no requests: {text}"))?, wall, cpu })
}
