//! Packagers that we did not write, live behind nginx with gzip: ffmpeg (CMAF, HLS and DASH) and Shaka Packager (HLS and
//! DASH, in the clear, cenc and cbcs). Nothing is wrong with them, and nothing may be said.
//!
//! `OTTWATCH_CLEAN_SECONDS` makes it as long as one likes; short by default.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ow_domain::Severity;
use ow_domain::capture::{Capture, ObjectKind, Protocol};
use ow_domain::verdict::Verdict;
use ow_e2e::nginx::Nginx;
use ow_e2e::packager::Packager;
use ow_e2e::shaka::{Protection, Shaka};
use ow_e2e::site::{PROBE, PROBE_YAML};
use ow_e2e::{Site, Tap, clean_seconds};
use ow_testkit::eventually;

/// Length of a segment.
const SEGMENT_S: u64 = 2;
/// Start of encoders and packagers, and the first windows.
const START: Duration = Duration::from_secs(90);

fn seconds() -> u64 {
    clean_seconds(90)
}

fn channel(nginx: &Nginx, name: &str, folder: &str) -> String {
    let (hls, dash) = (nginx.url(&format!("{folder}/master.m3u8")), nginx.url(&format!("{folder}/live.mpd")));
    format!(
        "apiVersion: ottwatch/v1\nkind: Channel\nmetadata: {{name: {name}}}\nspec:\n  probes: [{PROBE}]\n  streams:\n    \
         - {{name: hls, protocol: hls, url: \"{hls}\"}}\n    - {{name: dash, protocol: dash, url: \"{dash}\"}}\n"
    )
}

/// Segments read completely, per channel and protocol.
fn segments(captures: &Tap<Capture>) -> BTreeMap<(String, Protocol), usize> {
    let mut counts = BTreeMap::new();
    for capture in captures.all() {
        if capture.object == ObjectKind::Segment && capture.exchange.is_complete_success() {
            *counts.entry((capture.channel.to_string(), capture.protocol)).or_default() += 1;
        }
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn packagers_of_others_raise_nothing() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let nginx = Nginx::start(folder.path(), home.path()).await.unwrap();
    std::fs::write(folder.path().join("time"), "time").unwrap();
    let limit = u32::try_from(seconds() + 240).unwrap();
    let _ffmpeg = Packager::cmaf(&folder.path().join("ffmpeg"), limit, &nginx.url("now")).unwrap();
    let _shaka = Shaka::start(folder.path(), limit, &nginx.url("time")).await.unwrap();
    let site = Site::all_in_one().await.unwrap();
    let bus = site.bus().await.unwrap();
    let verdicts: Tap<Verdict> = Tap::start(&bus, "verdict.>").await.unwrap();
    let captures: Tap<Capture> = Tap::start(&bus, "capture.>").await.unwrap();

    let mut folders = vec!["ffmpeg"];
    folders.extend(Protection::ALL.map(Protection::name));
    let mut channels = Vec::new();
    for name in &folders {
        let window = |file: &str| {
            let text = std::fs::read_to_string(folder.path().join(name).join(file)).unwrap_or_default();
            text.contains("</MPD>") || text.contains("#EXT-X-STREAM-INF")
        };
        eventually(&format!("{name} has made its manifests"), START, || async {
            window("master.m3u8") && window("live.mpd")
        })
        .await;
        channels.push(channel(&nginx, &format!("clean-{name}"), name));
    }
    site.apply(&format!("{PROBE_YAML}{}", channels.join("---\n"))).await.unwrap();

    let wanted = usize::try_from(seconds() / SEGMENT_S).unwrap();
    eventually("every stream was watched for so long", Duration::from_secs(seconds() + 180), || async {
        let counts = segments(&captures);
        // Two tracks at least: so many segments of each.
        let read = counts.len() == 2 * folders.len() && counts.values().all(|n| *n >= 2 * wanted);
        // The first verdict of a channel is of before the first capture.
        let judged =
            |name: &&str| verdicts.all().iter().filter(|v| v.channel.as_str() == format!("clean-{name}")).count();
        read && folders.iter().all(|name| judged(name) >= 2)
    })
    .await;

    let counts = segments(&captures);
    println!("segments read: {counts:?}; verdicts: {}", verdicts.all().len());
    let mut said: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for verdict in verdicts.all() {
        for condition in verdict.conditions.iter().filter(|c| c.severity > Severity::Info) {
            let text = format!("{} {} [{}]", condition.severity, condition.message, condition.fingerprint);
            said.entry(verdict.channel.to_string()).or_default().insert(text);
        }
    }
    assert!(said.is_empty(), "on clean streams: {said:#?}");
    for name in &folders {
        let of = |v: &&Verdict| v.channel.as_str() == format!("clean-{name}");
        let all = verdicts.all();
        let last = all.iter().rfind(of).expect("a verdict");
        assert!(matches!(last.severity, Severity::Cleared | Severity::Info), "{last:#?}");
        assert!(last.streams.len() == 2 && last.streams.iter().all(|s| s.up && s.n_tracks >= 2), "{last:#?}");
    }
}
