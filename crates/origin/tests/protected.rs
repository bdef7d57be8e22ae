//! Encrypted outputs and subtitles: what was encrypted is what the clear output sends, and playlists and MPDs say how.

mod reader;

use std::time::Duration;

use aes::cipher::{BlockCipherDecrypt, KeyInit};
use ow_origin::{Clock, FaultKind, FaultSpec, Origin, OriginConfig, Rotation, start_with_clock};
use reader::{EPOCH_US, fetch, fetch_text};

/// 4 s segments, no phase; 100 ms after segment 1000 was published.
async fn origin() -> Origin {
    let config = OriginConfig { segment_ms: 4_000, phase_shift: false, ..OriginConfig::default() };
    start_with_clock(config, Clock::manual(EPOCH_US + 4_004_100_000)).await.expect("starts")
}

async fn bytes(origin: &Origin, path: &str) -> Vec<u8> {
    fetch(origin.addr, &format!("/live/ch1/{path}")).await
}

async fn text(origin: &Origin, path: &str) -> String {
    fetch_text(origin.addr, &format!("/live/ch1/{path}")).await
}

/// CBC over the first of every `pattern` blocks.
fn decrypt(data: &mut [u8], key: &[u8], iv: &[u8], pattern: usize) {
    let cipher = aes::Aes128::new_from_slice(key).expect("16 bytes");
    let mut last = iv.to_vec();
    for chunk in data.chunks_exact_mut(16).step_by(pattern) {
        let mut block = aes::Block::default();
        block.copy_from_slice(chunk);
        let hidden = chunk.to_vec();
        cipher.decrypt_block(&mut block);
        for ((out, plain), before) in chunk.iter_mut().zip(block).zip(&last) {
            *out = plain ^ before;
        }
        last = hidden;
    }
}

fn iv_of(number: u64) -> Vec<u8> {
    [[0; 8], number.to_be_bytes()].concat()
}

#[tokio::test]
async fn whole_segments_are_decrypted_by_key_and_number() {
    let origin = origin().await;
    let clear = bytes(&origin, "ts/360p/1000.ts").await;
    let playlist = text(&origin, "ts-aes/360p/index.m3u8").await;
    assert!(playlist.contains("#EXT-X-KEY:METHOD=AES-128,URI=\"../key-0\"\n"), "{playlist}");
    assert_eq!(playlist.matches("#EXT-X-KEY").count(), 1);
    let key = bytes(&origin, "ts-aes/key-0").await;
    assert_eq!(key.len(), 16);
    let mut body = bytes(&origin, "ts-aes/360p/1000.ts").await;
    assert_ne!(body[..188], clear[..188]);
    decrypt(&mut body, &key, &iv_of(1000), 1);
    let pad = usize::from(body[body.len() - 1]);
    assert!((1..=16).contains(&pad));
    assert_eq!(body[..body.len() - pad], clear, "PKCS #7");

    origin.faults.add(FaultSpec::new(FaultKind::IvShift { by: 1 })).expect("F66");
    let mut wrong = bytes(&origin, "ts-aes/360p/1000.ts").await;
    decrypt(&mut wrong, &key, &iv_of(1000), 1);
    assert_ne!(wrong[..16], clear[..16]);
    assert_eq!(wrong[16..clear.len()], clear[16..], "one block only is wrong");
}

/// Body of the first box of this type, by its name alone.
fn found<'a>(data: &'a [u8], kind: &[u8; 4]) -> &'a [u8] {
    let at = data.windows(4).position(|w| w == kind).unwrap_or_else(|| panic!("no {}", String::from_utf8_lossy(kind)));
    let size = u32::from_be_bytes(data[at - 4..at].try_into().expect("four")) as usize;
    &data[at + 4..at - 4 + size]
}

fn u32_at(data: &[u8], at: usize) -> usize {
    u32::from_be_bytes(data[at..at + 4].try_into().expect("four")) as usize
}

/// Key id and constant IV.
fn tenc(init: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let tenc = found(init, b"tenc");
    assert_eq!((tenc[0], tenc[6], tenc[7], tenc[24]), (1, 1, 0, 16), "version 1, protected, a constant IV of 16");
    (tenc[8..24].to_vec(), tenc[25..41].to_vec())
}

#[tokio::test]
async fn samples_are_decrypted_by_their_subsamples() {
    let origin = origin().await;
    for (rendition, is_video) in [("360p", true), ("audio", false)] {
        let init = bytes(&origin, &format!("cmaf-drm/{rendition}/init.mp4")).await;
        assert_eq!(found(&init, b"frma"), if is_video { b"avc1" } else { b"mp4a" });
        assert_eq!(found(&init, b"schm")[4..8], *b"cbcs");
        assert_eq!(u32_at(&init, init.windows(4).position(|w| w == b"moov").expect("moov") - 4) + 32, init.len());
        let (kid, iv) = tenc(&init);
        let playlist = text(&origin, &format!("cmaf-drm/{rendition}/index.m3u8")).await;
        let hex = kid.iter().map(|b| format!("{b:02X}")).collect::<String>();
        assert!(playlist.contains(&format!("KEYID=0x{hex}")), "{playlist}");
        let clear = bytes(&origin, &format!("cmaf/{rendition}/1000.m4s")).await;
        let hidden = bytes(&origin, &format!("cmaf-drm/{rendition}/1000.m4s")).await;
        // The suite's keys have no server: the clear samples tell that a key was used at all, and the same for each.
        let (clear_data, data) = (found(&clear, b"mdat"), found(&hidden, b"mdat"));
        assert_eq!(clear_data.len(), data.len());
        assert_ne!(clear_data, data);
        assert_eq!(iv.len(), 16);
        let moof = hidden.windows(4).position(|w| w == b"moof").expect("moof") - 4;
        let trun = found(&hidden, b"trun");
        let data_at = moof + u32_at(trun, 8);
        assert_eq!(hidden[data_at..].as_ptr(), data.as_ptr(), "data offset");
        if !is_video {
            continue;
        }
        let (senc, saio) = (found(&hidden, b"senc"), found(&hidden, b"saio"));
        assert_eq!(hidden[moof + u32_at(saio, 8)..].as_ptr(), senc[8..].as_ptr(), "saio leads to the first entry");
        let (mut at, mut sample_at) = (8, 0);
        for i in 0..u32_at(senc, 4) {
            let size = u32_at(trun, 12 + i * 12);
            let (mut sum, n) = (0, usize::from(senc[at + 1]));
            at += 2;
            for _ in 0..n {
                let clear = usize::from(senc[at]) << 8 | usize::from(senc[at + 1]);
                let place = sample_at + sum;
                assert_eq!(data[place..place + clear], clear_data[place..place + clear], "in the clear");
                let whole = u32_at(senc, at + 2);
                if whole >= 32 {
                    assert_ne!(data[place + clear..place + clear + 16], clear_data[place + clear..place + clear + 16]);
                    let second = place + clear + 16..place + clear + 32;
                    assert_eq!(data[second.clone()], clear_data[second], "nine of ten blocks are left");
                }
                sum += clear + whole;
                at += 6;
            }
            assert_eq!(sum, size, "sample {i}");
            sample_at += size;
        }
    }
}

#[tokio::test]
async fn keys_rotate() {
    let origin = origin().await;
    let rotate = |how| FaultSpec::new(FaultKind::KeyRotation { every_segments: 2, how });
    let id = origin.faults.add(rotate(Rotation::Map)).expect("adds");
    origin.clock.advance(Duration::from_secs(16));
    let playlist = text(&origin, "cmaf-drm/240p/index.m3u8").await;
    let maps: Vec<&str> = playlist.lines().filter(|l| l.starts_with("#EXT-X-MAP")).collect();
    let names = ["init.mp4", "init-k1.mp4", "init-k2.mp4"].map(|n| format!("#EXT-X-MAP:URI=\"{n}\""));
    assert_eq!(maps, names, "{playlist}");
    let of = async |name: &str| tenc(&bytes(&origin, &format!("cmaf-drm/240p/{name}")).await).0;
    let (first, second) = (of("init.mp4").await, of("init-k1.mp4").await);
    assert_ne!(first, second);
    let kept = origin.faults.add(FaultSpec::new(FaultKind::KidKept {})).expect("F67");
    assert_eq!(of("init-k1.mp4").await, first);
    origin.faults.remove(&kept);
    origin.faults.remove(&id);

    origin.faults.add(rotate(Rotation::InBand)).expect("adds");
    origin.clock.advance(Duration::from_secs(16));
    let seig = async |n: i64| {
        let body = bytes(&origin, &format!("cmaf-drm/240p/{n}.m4s")).await;
        body.windows(4).any(|w| w == b"seig").then(|| found(&body, b"sgpd")[20..36].to_vec())
    };
    // The clock is at segment 1008; the rotation began with 1005.
    assert_eq!(seig(1004).await, None);
    assert_eq!(seig(1005).await, Some(second.clone()));
    assert_eq!(seig(1006).await, Some(second.clone()));
    let third = seig(1007).await.expect("another key");
    assert_ne!(third, second);
    origin.faults.add(FaultSpec::new(FaultKind::KeyAhead { segments: 1 })).expect("F69");
    assert_eq!(seig(1006).await, Some(third));
    let playlist = text(&origin, "ts-aes/240p/index.m3u8").await;
    assert!(playlist.contains("../key-0\"") && playlist.contains("../key-1\"") && playlist.contains("../key-2\""));
}

#[tokio::test]
async fn mpds_name_the_key() {
    let origin = origin().await;
    let mpd = text(&origin, "dash-drm/timeline.mpd").await;
    let (kid, _) = tenc(&bytes(&origin, "dash-drm/360p/init.mp4").await);
    let hex = kid.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let uuid = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
    assert_eq!(mpd.matches(&format!("value=\"cbcs\" cenc:default_KID=\"{uuid}\"")).count(), 2, "{mpd}");
    assert_eq!(mpd.matches("<cenc:pssh>").count(), 2);
    let plain = text(&origin, "dash/timeline.mpd").await;
    assert!(!plain.contains("cenc") && !plain.contains("ContentProtection"), "{plain}");
    let clean = bytes(&origin, "dash-drm/360p/1000.m4s").await;
    assert!(!clean.windows(4).any(|w| w == b"pssh"));
    origin.faults.add(FaultSpec::new(FaultKind::PsshDiffers {})).expect("F68");
    let other = bytes(&origin, "dash-drm/360p/1000.m4s").await;
    assert_eq!(found(&other, b"pssh")[4..20], found(&bytes(&origin, "dash-drm/360p/init.mp4").await, b"pssh")[4..20]);
    assert_ne!(found(&other, b"pssh"), found(&bytes(&origin, "dash-drm/360p/init.mp4").await, b"pssh"));
}

#[tokio::test]
async fn subtitles_follow_the_media_clock() {
    let origin = origin().await;
    let master = text(&origin, "ts-subs/master.m3u8").await;
    assert!(master.contains("TYPE=SUBTITLES") && master.contains(",SUBTITLES=\"subs\""), "{master}");
    let playlist = text(&origin, "ts-subs/subs/index.m3u8").await;
    assert!(playlist.ends_with(",\n1000.vtt\n"), "{playlist}");
    origin.clock.advance(Duration::from_secs(27 * 3_600));
    let n: i64 = 1000 + 27 * 900;
    let cue = text(&origin, &format!("ts-subs/subs/{n}.vtt")).await;
    let mpegts = (n * 360_000) % (1 << 33);
    assert!(cue.starts_with(&format!("WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:{mpegts}\n\n")), "{cue}");
    origin.faults.add(FaultSpec::new(FaultKind::TimestampMapUnwrapped {})).expect("F37");
    assert!(n * 360_000 >= 1 << 33, "the clock has wrapped");
    let cue = text(&origin, &format!("ts-subs/subs/{n}.vtt")).await;
    assert!(cue.contains(&format!("MPEGTS:{}\n", n * 360_000)), "{cue}");
}
