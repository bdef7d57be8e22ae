//! Every named fault shows on the wire while it lasts and not before, and what is taken back is as if it had never been.

use std::collections::BTreeMap;
use std::time::Duration;

use ow_origin::{Clock, FaultScript, MemoryOrigin, NamedFault, Near, OriginConfig, Profile};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SEGMENT_US: i64 = 2_000_000;
/// 2026-01-01T00:00:00Z, the default epoch.
const EPOCH_US: i64 = 1_767_225_600_000_000;
/// When faults begin and end, milliseconds since the start.
const FROM_MS: u64 = 60_000;
const TO_MS: u64 = 120_000;

fn origin(fault: &NamedFault, faulty: bool) -> (MemoryOrigin, Clock) {
    let clock = Clock::manual(start_us(fault));
    let steps = if faulty { fault.steps(FROM_MS, Some(TO_MS - FROM_MS)) } else { Vec::new() };
    let config = OriginConfig {
        segment_ms: (SEGMENT_US / 1_000) as u32,
        phase_shift: false,
        script: FaultScript { cycle_ms: None, steps },
        ..OriginConfig::default()
    };
    let config = fault.prepare(config);
    (MemoryOrigin::new(config, clock.clone()).expect("starts"), clock)
}

/// 50 ms after a segment was published; of faults near a wrap, 100 s before it.
fn start_us(fault: &NamedFault) -> i64 {
    let wrap = |ticks: i128| EPOCH_US + (ticks * 1_000_000 / 90_000 / i128::from(SEGMENT_US)) as i64 * SEGMENT_US;
    match fault.near {
        None => EPOCH_US + 2_002_050_000,
        Some(Near::PtsWrap) => wrap(1 << 33) - 100_000_000 + 50_000,
        Some(Near::Tfdt32Wrap) => wrap(1 << 32) - 100_000_000 + 50_000,
    }
}

/// Everything that came until the server closed or was silent, without the head's `date`.
async fn raw(origin: &MemoryOrigin, path: &str) -> Vec<u8> {
    raw_within(origin, path, Duration::from_secs(600)).await
}

async fn raw_within(origin: &MemoryOrigin, path: &str, patience: Duration) -> Vec<u8> {
    let mut stream = origin.connect();
    let text = format!("GET {path} HTTP/1.1\r\nhost: o\r\nconnection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).await.expect("sends");
    let (mut got, mut buf) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        match tokio::time::timeout(patience, stream.read(&mut buf)).await {
            Ok(Ok(0)) => return got,
            Ok(Ok(n)) => got.extend_from_slice(&buf[..n]),
            Ok(Err(_)) => return [&got[..], b"(reset)"].concat(),
            Err(_) => return [&got[..], b"(silent)"].concat(),
        }
    }
}

fn names(profile: Profile) -> &'static [&'static str] {
    match profile {
        Profile::Ts | Profile::TsAes => &["360p", "240p", "144p"],
        Profile::TsSubtitles => &["360p", "subs"],
        _ => &["360p", "240p", "144p", "audio"],
    }
}

/// Paths that a client asks at this moment, by what they are: the entry, playlists and the newest and oldest segment that they list.
async fn wire(origin: &MemoryOrigin, fault: &NamedFault, now_us: i64) -> BTreeMap<String, Vec<u8>> {
    let entry = fault.profile.entry("ch1");
    let base = entry.rsplit_once('/').expect("a folder").0.to_owned();
    let mut out = BTreeMap::from([(entry.clone(), raw(origin, &entry).await)]);
    for name in names(fault.profile) {
        let init = format!("{base}/{name}/init.mp4");
        if !matches!(fault.profile, Profile::Ts | Profile::TsAes | Profile::TsSubtitles) {
            out.insert(init.clone(), raw(origin, &init).await);
        }
        if fault.profile.is_dash() {
            // The newest four segments, by number.
            let newest = (now_us - EPOCH_US) / SEGMENT_US - 1;
            for n in newest - 3..=newest {
                let path = format!("{base}/{name}/{n}.m4s");
                out.insert(path.clone(), raw(origin, &path).await);
            }
            continue;
        }
        let index = format!("{base}/{name}/index.m3u8");
        let list = raw(origin, &index).await;
        let text = String::from_utf8_lossy(&list).into_owned();
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let is_segment = |l: &&str| [".ts", ".m4s", ".vtt"].iter().any(|end| l.ends_with(end));
        let uris: Vec<&str> = body.lines().filter(is_segment).collect();
        // Initialization segments of later keys.
        for map in body.lines().filter_map(|l| l.strip_prefix("#EXT-X-MAP:URI=\"")?.strip_suffix('"')) {
            let path = format!("{base}/{name}/{map}");
            out.insert(path.clone(), raw(origin, &path).await);
        }
        for (what, uri) in [("oldest", uris.first()), ("newest", uris.last()), ("even", uris.iter().find(|u| even(u)))]
        {
            if let Some(uri) = uri {
                out.insert(format!("{name} {what}"), raw(origin, &format!("{base}/{name}/{uri}")).await);
            }
        }
        if fault.profile == Profile::Ll {
            // The clock stands still: what is held back does not come.
            let next = (now_us - EPOCH_US) / SEGMENT_US;
            let held = raw_within(origin, &format!("{index}?_HLS_msn={next}"), Duration::from_millis(20)).await;
            out.insert(format!("{name} held back"), held);
            let part =
                body.lines().filter(|l| l.starts_with("#EXT-X-PART:")).filter_map(|l| l.split('"').nth(1)).next_back();
            if let Some(part) = part {
                out.insert(format!("{name} newest part"), raw(origin, &format!("{base}/{name}/{part}")).await);
            }
        }
        out.insert(index, list);
    }
    out
}

fn even(uri: &str) -> bool {
    uri.split('.').next().and_then(|n| n.parse::<i64>().ok()).is_some_and(|n| n % 2 == 0)
}

#[tokio::test(start_paused = true)]
async fn the_wire_shows_each_fault_while_it_lasts() {
    // What is only a moment of media time shows by itself.
    for fault in NamedFault::all().iter().filter(|f| !f.steps(0, None).is_empty()) {
        let ((clean, clean_clock), (faulty, clock)) = (origin(fault, false), origin(fault, true));
        let mut differs = 0;
        // Seldom before, often while it lasts, and when all that was listed then has left.
        let seconds = (0..60).step_by(10).chain((60..120).step_by(3)).chain((180..240).step_by(10));
        for second in seconds {
            let at = start_us(fault) + second * 1_000_000;
            clean_clock.set(at);
            clock.set(at);
            let same = wire(&clean, fault, at).await == wire(&faulty, fault, at).await;
            let ms = second as u64 * 1_000;
            if ms < FROM_MS {
                assert!(same, "{} shows at {second} s, before it began", fault.id);
            } else if ms < TO_MS {
                differs += i64::from(!same);
            } else if ms >= TO_MS + 60_000 && !fault.stays() {
                assert!(same, "{} shows at {second} s, after it ended", fault.id);
            }
        }
        assert!(differs > 0, "{} does not show", fault.id);
    }
}
