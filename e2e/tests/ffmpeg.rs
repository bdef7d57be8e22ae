//! Somebody else's packager: ffmpeg, live, TS and fMP4 side by side. Nothing is wrong for three minutes; then it dies.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use ow_contracts::IncidentChange;
use ow_domain::Severity;
use ow_domain::capture::Capture;
use ow_domain::incident::ChangeKind;
use ow_domain::verdict::Verdict;
use ow_e2e::files::FileServer;
use ow_e2e::packager::{Packager, Segments};
use ow_e2e::site::{PROBE, PROBE_YAML};
use ow_e2e::{Site, Tap, clean_seconds};
use ow_testkit::{DEADLINE, eventually};

const STALE: &str = "hls-playlist-stale";
const CHANNELS: [&str; 2] = ["ffmpeg-ts", "ffmpeg-fmp4"];
/// Three minutes; `OTTWATCH_CLEAN_SECONDS` makes it as long as one likes.
const CLEAN_S: u64 = 180;
const SEGMENT_S: u64 = 2;
const RENDITIONS: [&str; 2] = ["240p", "144p"];

/// A window of a few segments: a packager that has just begun is not what is tested here.
async fn wait_for_playlists(folder: &Path) {
    eventually("ffmpeg has made its playlists", DEADLINE, || async {
        folder.join("master.m3u8").exists()
            && RENDITIONS.iter().all(|name| {
                let text = std::fs::read_to_string(folder.join(name).join("index.m3u8")).unwrap_or_default();
                text.matches("#EXTINF").count() >= 4
            })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_packager_raises_nothing_until_it_dies() {
    let folder = tempfile::tempdir().unwrap();
    let files = FileServer::start(folder.path()).await.unwrap();
    let seconds = clean_seconds(CLEAN_S);
    let n_clean = usize::try_from(seconds / SEGMENT_S).unwrap();
    let mut packagers = Vec::new();
    for (name, segments) in [("ts", Segments::MpegTs), ("fmp4", Segments::Fmp4)] {
        packagers.push(Packager::start(&folder.path().join(name), segments, seconds + 420).unwrap());
    }
    let site = Site::all_in_one().await.unwrap();
    let bus = site.bus().await.unwrap();
    let verdicts: Tap<Verdict> = Tap::start(&bus, "verdict.>").await.unwrap();
    let captures: Tap<Capture> = Tap::start(&bus, "capture.>").await.unwrap();
    let alerts: Tap<IncidentChange> = Tap::start(&bus, "alert.>").await.unwrap();
    for name in ["ts", "fmp4"] {
        wait_for_playlists(&folder.path().join(name)).await;
    }
    let channel = |name: &str| {
        let url = files.url(&format!("{name}/master.m3u8"));
        format!(
            "apiVersion: ottwatch/v1\nkind: Channel\nmetadata: {{name: ffmpeg-{name}}}\nspec:\n  probes: [{PROBE}]\n  \
             streams:\n    - {{name: main, protocol: hls, url: \"{url}\"}}\n"
        )
    };
    site.apply(&format!("{PROBE_YAML}{}---\n{}", channel("ts"), channel("fmp4"))).await.unwrap();

    // Watched: both channels, both renditions.
    for name in CHANNELS {
        captures.wait_watched(name, RENDITIONS.len(), 1, Duration::from_secs(90)).await;
    }
    // Clean: by the number of segments, so that it is so much of the stream whatever this machine does.
    for name in CHANNELS {
        captures.wait_watched(name, RENDITIONS.len(), n_clean, Duration::from_secs(seconds + 120)).await;
    }
    println!("infos included: {:?}", site.alarms("state=all&include_info=true").await.unwrap());
    let recorded = site.alarms("state=all").await.unwrap();
    println!("{} verdicts; recorded: {recorded:?}", verdicts.all().len());
    for name in CHANNELS {
        let judged = verdicts.all().into_iter().filter(|v| v.channel.as_str() == name).collect::<Vec<_>>();
        let last = judged.last().expect("a verdict once a minute");
        assert!(judged.len() >= 2 && last.severity <= Severity::Info, "{judged:#?}");
        assert!(last.streams.iter().all(|s| s.up && s.n_tracks == 2), "{last:#?}");
    }
    let is_loud = |v: &Verdict| v.conditions.iter().any(|c| c.severity > Severity::Info);
    let wrong: Vec<Verdict> = verdicts.all().into_iter().filter(is_loud).collect();
    assert!(wrong.is_empty(), "conditions on a clean stream: {wrong:#?}");
    assert!(recorded.is_empty(), "alarms on a clean stream: {recorded:#?}");

    // Dead: each channel is stale, which gets worse, and nothing else is said.
    for packager in &mut packagers {
        packager.kill().await.unwrap();
    }
    let bad = |wanted: Severity| {
        move |alarms: &[serde_json::Value]| {
            let stale: BTreeSet<&str> = alarms
                .iter()
                .filter(|a| a["check"] == STALE && a["severity"] == wanted.as_str())
                .filter_map(|a| a["channel"].as_str())
                .collect();
            stale.len() == 2
        }
    };
    site.wait_alarms("both channels are badly stale", Duration::from_secs(60), bad(Severity::Critical)).await;
    // ffmpeg declares an average as BANDWIDTH: an information, which nobody is told.
    let told: Vec<IncidentChange> = alerts.all().into_iter().filter(|c| c.0.severity > Severity::Info).collect();
    for notice in told.iter().map(|change| &change.0) {
        println!("{} {} {} {} {}", notice.at, notice.change, notice.severity, notice.channel, notice.message);
        assert_eq!(notice.check, STALE, "{notice:#?}");
        assert_eq!(notice.fingerprint, format!("{STALE}|hls|main|-|-|-"));
    }
    for name in CHANNELS {
        let story: Vec<(ChangeKind, Severity)> =
            told.iter().filter(|c| c.0.channel.as_str() == name).map(|c| (c.0.change, c.0.severity)).collect();
        let raises = story.iter().filter(|(change, _)| *change == ChangeKind::Raise).count();
        assert!(raises == 1 && story[0].0 == ChangeKind::Raise, "{name}: {story:?}");
        assert!(story.is_sorted_by(|a, b| a.1 < b.1), "{name}: {story:?}");
        assert_eq!(story.last(), Some(&(ChangeKind::Update, Severity::Critical)), "{name}: {story:?}");
    }
    let open = site.alarms("state=all").await.unwrap();
    assert_eq!(open.len(), 2, "{open:#?}");
}
