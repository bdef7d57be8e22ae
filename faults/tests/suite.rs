//! Faults that must be found, and clean channels that must be silent.

use std::time::Duration;

use ow_domain::Severity;
use ow_faults::{report, suite};
use ow_origin::Profile;

/// Found by the first check listed, with nothing unlisted above warning. A fault that gets its check moves in here.
const MUST_FIND: &[&str] = &[
    "F01",
    "F02",
    "F03",
    "F07",
    "F08",
    "F09",
    "F12",
    "F14",
    "F19",
    "F26",
    "F27",
    "F30",
    "F31",
    "F32",
    "F61",
    "F64",
    "F74-reset",
];

/// Raised, whatever else is told.
const MUST_TELL: &[&str] = &["F18", "F20"];

#[test]
fn every_fault_that_must_be_found_is_found() {
    let outcomes = suite::run_all(&[], |_| {}).expect("plays");
    let mut wrong = Vec::new();
    for outcome in &outcomes {
        let id = outcome.fault.id.as_str();
        let must = MUST_FIND.contains(&id) && !outcome.passed() || MUST_TELL.contains(&id) && outcome.found.is_none();
        if must || !outcome.before.is_empty() {
            wrong.push(report::line(outcome));
        }
    }
    for id in MUST_FIND.iter().chain(MUST_TELL) {
        assert!(outcomes.iter().any(|o| o.fault.id == *id), "there is no fault {id}");
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn clean_channels_are_silent() {
    for profile in Profile::ALL {
        let played = suite::clean(profile, Duration::from_secs(600)).expect("plays");
        let loud: Vec<_> = played.findings.iter().filter(|f| f.severity > Severity::Info).collect();
        assert!(loud.is_empty(), "{profile:?}: {loud:?}");
        assert!(played.n_captures > 5, "{profile:?}: {} captures", played.n_captures);
    }
}
