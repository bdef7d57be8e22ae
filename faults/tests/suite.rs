//! Faults that must be found, and clean channels that must be silent.

use std::collections::BTreeSet;
use std::time::Duration;

use ow_domain::Severity;
use ow_faults::{report, suite};
use ow_origin::{AdBreaks, FaultScript, OriginConfig, Profile};

/// What a packager may do when it begins anew: numbers run on, and a counted discontinuity stands where its media time begins again.
const LEGAL_RESTARTS: &str = r#"
[[step]]
at_ms = 150_000
fault = { kind = "packager-restart", sequence = "continue", discontinuity = "marked" }
"#;

/// Keys that change as they should.
const ROTATION: &str = r#"
[[step]]
at_ms = 60_000
fault = { kind = "key-rotation", every_segments = 5, how = "in-band" }
"#;

#[test]
fn every_fault_is_found_by_its_first_check_alone() {
    let outcomes = suite::run_all(&[], |_| {}).expect("plays");
    let failed: Vec<&str> = outcomes.iter().filter(|o| !o.passed()).map(|o| o.fault.id.as_str()).collect();
    let lines = outcomes.iter().filter(|o| !o.passed()).map(report::line).collect::<Vec<_>>().join("\n");
    assert!(failed.is_empty(), "\n{lines}");
    let faults: BTreeSet<&str> =
        outcomes.iter().filter(|o| o.passed()).filter_map(|o| o.fault.id.split('-').next()).collect();
    assert!(faults.len() >= 64, "{} faults are found", faults.len());
}

#[test]
fn clean_channels_are_silent() {
    let mut loud = Vec::new();
    let plain = OriginConfig::default();
    let ads = OriginConfig { ad_breaks: Some(AdBreaks { every_segments: 15, segments: 4 }), ..plain.clone() };
    let scripted = |text: &str| {
        let script = FaultScript::from_toml(text).expect("reads");
        OriginConfig { script, ..plain.clone() }
    };
    let (restarts, by_map) = (scripted(LEGAL_RESTARTS), ROTATION.replace("in-band", "map"));
    let special = [
        (Profile::Ts, ads),
        (Profile::Ts, restarts.clone()),
        (Profile::Cmaf, restarts),
        (Profile::TsAes, scripted(ROTATION)),
        (Profile::CmafDrm, scripted(ROTATION)),
        (Profile::CmafDrm, scripted(&by_map)),
    ];
    let runs = Profile::ALL.map(|profile| (profile, plain.clone())).into_iter().chain(special);
    for (profile, origin) in runs {
        let played = suite::clean(profile, origin, Duration::from_secs(600)).expect("plays");
        assert!(played.n_captures > 5, "{profile:?}: {} captures", played.n_captures);
        let told = played.findings.iter().filter(|f| f.severity > Severity::Info);
        loud.extend(told.map(|f| format!("{profile:?} {} {} {}: {}", f.raised, f.check, f.place, f.message)));
    }
    assert!(loud.is_empty(), "\n{}", loud.join("\n"));
}

#[test]
fn a_clean_low_latency_channel_is_looked_at_by_every_check_of_the_family() {
    let played = suite::clean(Profile::Ll, OriginConfig::default(), Duration::from_secs(180)).expect("plays");
    let told = played.findings.iter().filter(|f| f.severity > Severity::Info).map(|f| (&f.check, &f.message));
    assert_eq!(told.collect::<Vec<_>>(), []);
    let family = ow_checks::registry::all().iter().map(|c| c.id).filter(|id| id.starts_with("llhls-"));
    let silent: Vec<_> = family.filter(|id| !played.evaluated.contains(id)).collect();
    assert!(silent.is_empty(), "{silent:?} came to no result");
}

#[test]
fn a_drift_of_media_time_is_found_in_dash_too() {
    let script =
        |ppm: i32| format!("[[step]]\nat_ms = 60_000\nfault = {{ kind = \"timestamp-drift\", ppm = {ppm} }}\n");
    // Numbers are promised to the millisecond; what is listed is known as well as the MPD is asked for.
    for (profile, ppm, seconds) in [(Profile::DashNumber, 2_000, 960), (Profile::DashTimeline, -3_000, 1_300)] {
        let script = FaultScript::from_toml(&script(ppm)).expect("reads");
        let origin = OriginConfig { script, ..OriginConfig::default() };
        let played = suite::clean(profile, origin, Duration::from_secs(seconds)).expect("plays");
        let told: Vec<_> = played.findings.iter().filter(|f| f.check == "seg-media-clock-drift").collect();
        let side = if ppm > 0 { " fast " } else { " slow " };
        assert!(!told.is_empty() && told.iter().all(|f| f.message.contains(side)), "{profile:?}: {told:?}");
    }
}
