//! `cargo xtask faults [--write] [--verbose] [NAME...]`: plays the named faults and prints what found them.

use std::time::Instant;

use anyhow::{Context, Result};
use ow_faults::{report, suite};

const PAGE: &str = "docs/faults.md";

fn main() -> Result<()> {
    let (flags, names): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|a| a.starts_with("--"));
    let verbose = flags.iter().any(|f| f == "--verbose");
    let write = flags.iter().any(|f| f == "--write");
    anyhow::ensure!(flags.iter().all(|f| f == "--verbose" || f == "--write"), "flags are --write and --verbose");
    anyhow::ensure!(!write || names.is_empty(), "--write is for the whole suite: leave out the names");
    let started = Instant::now();
    let outcomes = suite::run_all(&names, |outcome| {
        println!("{}", report::line(outcome));
        if verbose {
            for f in outcome.found.iter().chain(&outcome.before).chain(&outcome.unlisted) {
                let (check, severity, place) = (&f.check, f.severity.as_str(), &f.place);
                println!("    {:>6.1} s {severity} {check} {place}: {}", f.raised.secs_f64(), f.message);
            }
        }
    })?;
    println!("{}; {:.0} s of work", report::summary(&outcomes), started.elapsed().as_secs_f64());
    if write {
        std::fs::write(PAGE, report::page(&outcomes)).context(PAGE)?;
    }
    Ok(())
}
