//! DASH from the origin to the alarm: a clean channel is up and raises nothing, a frozen MPD is stale, and late segments are told.

use std::time::Duration;

use ow_domain::Severity;
use ow_domain::capture::{Capture, Protocol};
use ow_domain::verdict::{Measures, Verdict};
use ow_e2e::site::{PROBE, PROBE_YAML};
use ow_e2e::{Site, Tap, origin};
use ow_origin::{FaultKind, FaultSpec, ObjectKind};

/// Renditions of the origin: three of video, one of audio.
const TRACKS: usize = 4;
const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn a_dash_channel_is_watched_and_its_faults_are_alarms() {
    let origin = origin().await.unwrap();
    let site = Site::all_in_one().await.unwrap();
    let bus = site.bus().await.unwrap();
    let verdicts: Tap<Verdict> = Tap::start(&bus, "verdict.>").await.unwrap();
    let captures: Tap<Capture> = Tap::start(&bus, "capture.>").await.unwrap();
    let measures: Tap<Measures> = Tap::start(&bus, "measure.>").await.unwrap();
    let channel = |name: &str, url: String| {
        format!(
            "---\napiVersion: ottwatch/v1\nkind: Channel\nmetadata: {{name: {name}}}\nspec:\n  probes: [{PROBE}]\n  \
             streams:\n    - {{name: main, protocol: dash, url: \"{url}\"}}\n"
        )
    };
    let yaml = PROBE_YAML.trim_end().trim_end_matches("---").to_owned();
    let listed = channel("listed", origin.dash_timeline("listed"));
    let computed = channel("computed", origin.dash_number("computed"));
    site.apply(&format!("{yaml}\n{listed}{computed}")).await.unwrap();

    // Clean: every segment of every rendition, up, and nothing wrong.
    for name in ["listed", "computed"] {
        captures.wait_watched(name, TRACKS, 20, LIMIT).await;
    }
    let of_channels = |c: &&Capture| ["listed", "computed"].contains(&c.channel.as_str());
    assert!(captures.all().iter().filter(of_channels).all(|c| c.protocol == Protocol::Dash));
    for name in ["listed", "computed"] {
        let up = |v: &Verdict| {
            let mut streams = v.streams.iter();
            v.channel.as_str() == name
                && v.severity == Severity::Cleared
                && streams.any(|s| s.up && s.n_tracks as usize == TRACKS && s.max_height.is_some())
        };
        verdicts.wait("the channel is up", LIMIT, up).await;
        let told = |m: &Measures| {
            m.channel.as_str() == name
                && m.tracks.len() == TRACKS
                && m.tracks.iter().all(|t| t.values.contains_key("segment_duration_seconds"))
        };
        measures.wait("its renditions are measured", LIMIT, told).await;
    }
    let open = site.alarms("").await.unwrap();
    assert!(open.is_empty(), "alarms on clean streams: {open:#?}");

    // A frozen MPD: one alarm, which clears when the timeline goes on.
    let frozen = FaultSpec::new(FaultKind::FrozenPlaylist {}).channel("listed");
    origin.faults.add(frozen.objects(&[ObjectKind::Mpd])).unwrap();
    let of = |channel: &'static str, check: &'static str| {
        move |alarms: &[serde_json::Value]| alarms.iter().any(|a| a["channel"] == channel && a["check"] == check)
    };
    let alarms = site.wait_alarms("the timeline is stale", LIMIT, of("listed", "dash-timeline-stale")).await;
    assert_eq!(alarms.len(), 1, "one fault, one alarm: {alarms:#?}");
    origin.faults.clear();
    site.wait_alarms("the timeline goes on", LIMIT, |alarms: &[serde_json::Value]| alarms.is_empty()).await;

    // Segments that come late, by more than a duration.
    let late = FaultSpec::new(FaultKind::SegmentLate { by_ms: 3_000 }).channel("computed");
    origin.faults.add(late).unwrap();
    let alarms = site.wait_alarms("segments are late", LIMIT, of("computed", "dash-segment-late")).await;
    assert!(alarms.iter().all(|a| a["channel"] == "computed"), "{alarms:#?}");
}
