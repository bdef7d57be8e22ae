//! The table of `docs/faults.md`.

use std::fmt::Write;

use ow_domain::{Severity, Span};

use crate::suite::Outcome;

/// `found`, `by <another listed check>`, `no check yet` or `missed`.
pub fn verdict(outcome: &Outcome) -> String {
    match &outcome.found {
        Some(f) if f.check == outcome.expected[0] => "found".into(),
        Some(f) => format!("by `{}`", f.check),
        None if !outcome.exists => "no check yet".into(),
        None => "missed".into(),
    }
}

fn unlisted(outcome: &Outcome) -> String {
    let mut checks: Vec<(Severity, &str)> = outcome.unlisted.iter().map(|f| (f.severity, f.check.as_str())).collect();
    checks.sort_by(|a, b| b.cmp(a));
    checks.dedup_by_key(|c| c.1);
    checks.iter().map(|(s, c)| format!("`{c}` ({})", s.as_str())).collect::<Vec<_>>().join(", ")
}

/// One line for a terminal.
pub fn line(outcome: &Outcome) -> String {
    let took = outcome.took.map_or("-".into(), |t| format!("{:.1} s", t.secs_f64()));
    let mut out = format!(
        "{:<10} {:<36} {:<14} {took:>8}  {}",
        outcome.fault.id,
        outcome.expected[0],
        verdict(outcome),
        unlisted(outcome)
    );
    if !outcome.before.is_empty() {
        let _ =
            write!(out, "  BEFORE: {}", outcome.before.iter().map(|f| f.check.as_str()).collect::<Vec<_>>().join(", "));
    }
    if !outcome.standing.is_empty() {
        out.push_str("  STANDING");
    }
    out
}

/// Counts and the median time to detect.
pub fn summary(outcomes: &[Outcome]) -> String {
    let found = outcomes.iter().filter(|o| o.found.is_some()).count();
    let passed = outcomes.iter().filter(|o| o.passed()).count();
    let loud = outcomes.iter().filter(|o| o.unlisted.iter().any(|f| f.severity > Severity::Warning)).count();
    let mut times: Vec<Span> = outcomes.iter().filter_map(|o| o.took).collect();
    times.sort();
    let median = times.get(times.len() / 2).map_or("-".into(), |t| format!("{:.1} s", t.secs_f64()));
    let faults: std::collections::BTreeSet<&str> =
        outcomes.iter().map(|o| o.fault.id.split('-').next().unwrap_or_default()).collect();
    format!(
        "{} scripts of {} faults: {found} found, {passed} by their first check with nothing unlisted above warning, {loud} with an \
         unlisted alarm above warning; median time to detect {median}",
        outcomes.len(),
        faults.len()
    )
}

/// The page.
pub fn page(outcomes: &[Outcome]) -> String {
    let mut out = String::from(include_str!("page.md"));
    let _ = writeln!(out, "{}.\n", summary(outcomes));
    out.push_str(
        "| script | fault | profile | expected check | result | time to detect | unlisted, warning and above |\n",
    );
    out.push_str("|---|---|---|---|---|---|---|\n");
    for o in outcomes {
        let took = o.took.map_or(String::new(), |t| format!("{:.1} s", t.secs_f64()));
        let _ = writeln!(
            out,
            "| {} | {} | {} | `{}` | {} | {took} | {} |",
            o.fault.id,
            o.fault.title,
            o.fault.profile.name(),
            o.expected[0],
            verdict(o),
            unlisted(o)
        );
    }
    out
}
