//! Faults that must be found, and clean channels that must be silent.

use std::time::Duration;

use ow_domain::Severity;
use ow_faults::{report, suite};
use ow_origin::{AdBreaks, OriginConfig, Profile};

/// Found by the first check listed, with nothing unlisted above warning. A fault that gets its check moves in here.
const MUST_FIND: &[&str] = &[
    "F01",
    "F02",
    "F03",
    "F04",
    "F07",
    "F08",
    "F13",
    "F14",
    "F17",
    "F18",
    "F19",
    "F22",
    "F25",
    "F26",
    "F27",
    "F29",
    "F29-cmaf",
    "F30",
    "F31",
    "F32",
    "F33",
    "F48",
    "F49",
    "F57",
    "F62-hls",
    "F63",
    "F64",
    "F71",
    "F73",
    "F74-reset",
    "F74-zero",
];

/// Raised, whatever else is told.
const MUST_TELL: &[&str] = &["F35", "F05", "F09", "F12", "F15", "F20", "F28", "F34", "F61"];

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
    let mut loud = Vec::new();
    let plain = OriginConfig::default();
    let ads = OriginConfig { ad_breaks: Some(AdBreaks { every_segments: 15, segments: 4 }), ..plain.clone() };
    let runs = Profile::ALL.map(|profile| (profile, plain.clone())).into_iter().chain([(Profile::Ts, ads)]);
    for (profile, origin) in runs {
        let played = suite::clean(profile, origin, Duration::from_secs(600)).expect("plays");
        assert!(played.n_captures > 5, "{profile:?}: {} captures", played.n_captures);
        let told = played.findings.iter().filter(|f| f.severity > Severity::Info);
        loud.extend(told.map(|f| format!("{profile:?} {} {} {}: {}", f.raised, f.check, f.place, f.message)));
    }
    assert!(loud.is_empty(), "\n{}", loud.join("\n"));
}
