//! An offer -> the contract that it keeps: what `ottwatch template learn` proposes for approval.

use ow_domain::ladder::{
    AudioWanted, DrmSystem, DynamicRange, KbpsRange, LadderContract, LadderTolerance, TextWanted, VideoRung,
};

use super::{Ladder, VideoTrack, name_video, normal_language};

/// Room of a declared bitrate on both sides.
const ROOM_PERCENT: u64 = 20;

/// A contract and what was assumed to make it, for whoever approves it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Proposal {
    pub contract: LadderContract,
    pub assumed: Vec<String>,
}

/// The contract that the present offers keep together. With several (HLS and DASH of one channel) it asks for what all of them
/// have, because it is compared with each.
pub fn propose(offers: &[Ladder]) -> Proposal {
    let mut proposal = Proposal::default();
    let Some((first, others)) = offers.split_first() else { return proposal };
    let Proposal { contract, assumed } = &mut proposal;
    for track in &first.video {
        let Some((width, height)) = track.width.zip(track.height) else {
            assumed.push(format!("video {} declares no resolution and is left out", track.name));
            continue;
        };
        if !others
            .iter()
            .all(|o| o.video.iter().any(|v| (v.width, v.height, v.codec) == (track.width, track.height, track.codec)))
        {
            assumed.push(format!("video {} is not offered by every stream and is left out", name_video(track)));
            continue;
        }
        let rung = VideoRung {
            width,
            height,
            codec: track.codec,
            codec_string: track.codec_string.clone().filter(|_| others.is_empty()),
            frame_rate: track.frame_rate().filter(|rate| (1.0..=300.0).contains(rate)),
            bitrate_kbps: bitrates(track, offers),
            dynamic_range: track.range,
        };
        let same = |r: &&mut VideoRung| {
            (r.width, r.height, r.codec, r.dynamic_range) == (width, height, rung.codec, rung.dynamic_range)
                && r.frame_rate == rung.frame_rate
        };
        // The same picture for another group of sound, or from another host.
        match contract.video.iter_mut().find(same).filter(|r| near(r.bitrate_kbps, track.bandwidth)) {
            Some(known) => widen(&mut known.bitrate_kbps, rung.bitrate_kbps),
            None => contract.video.push(rung),
        }
    }
    for track in first.audio.iter().filter(|t| !t.muxed) {
        let language = track.language.as_deref().map_or_else(|| "und".to_owned(), normal_language);
        let everywhere = others.iter().all(|o| {
            o.audio.iter().any(|a| {
                a.role == track.role && super::same_language(a.language.as_deref().unwrap_or("und"), &language)
            })
        });
        if !everywhere {
            assumed.push(format!("audio {} is not offered by every stream and is left out", super::name_audio(track)));
            continue;
        }
        let wanted = AudioWanted {
            language,
            role: track.role,
            codec: track.codec,
            channels: track.channels,
            sample_rate: track.sample_rate,
            default: track.default && !contract.audio.iter().any(|a| a.default),
        };
        if !contract
            .audio
            .iter()
            .any(|a| AudioWanted { default: false, ..a.clone() } == AudioWanted { default: false, ..wanted.clone() })
        {
            contract.audio.push(wanted);
        }
    }
    if first.audio.iter().any(|t| t.muxed) {
        assumed.push("sound is inside the video segments, its language is not declared: no audio is asked for".into());
    }
    for track in &first.text {
        let language = track.language.as_deref().map_or_else(|| "und".to_owned(), normal_language);
        let everywhere = others.iter().all(|o| {
            o.text.iter().any(|t| {
                t.kind == track.kind && super::same_language(t.language.as_deref().unwrap_or("und"), &language)
            })
        });
        let wanted = TextWanted { language, kind: track.kind, mandatory: false };
        if everywhere && !contract.subtitles.contains(&wanted) {
            contract.subtitles.push(wanted);
        }
    }
    if !contract.subtitles.is_empty() {
        assumed.push("no subtitle is mandatory: set mandatory: true where a law or licence asks for it".into());
    }
    contract.drm = systems(offers);
    if offers.iter().any(|o| o.protection.encrypted) && contract.drm.is_empty() {
        assumed.push("the media is encrypted, but no system is named: drm is left out".into());
    }
    contract.uhd = contract.video.iter().any(|v| v.height >= 2160);
    contract.hdr = contract.video.iter().filter_map(|v| v.dynamic_range).filter(|r| *r != DynamicRange::Sdr).max();
    contract.tolerance = LadderTolerance::default();
    if contract.video.iter().any(|v| v.bitrate_kbps.is_some()) {
        assumed.push(format!("bitrates may move {ROOM_PERCENT} % around what is declared now"));
    }
    proposal
}

fn near(range: Option<KbpsRange>, bandwidth: Option<u64>) -> bool {
    range.zip(bandwidth).is_none_or(|(r, b)| (u64::from(r.min)..=u64::from(r.max)).contains(&(b / 1000)))
}

fn widen(known: &mut Option<KbpsRange>, more: Option<KbpsRange>) {
    if let (Some(known), Some(more)) = (known, more) {
        known.min = known.min.min(more.min);
        known.max = known.max.max(more.max);
    }
}

/// Around what every stream declares for this picture.
fn bitrates(track: &VideoTrack, offers: &[Ladder]) -> Option<KbpsRange> {
    let mut range = around(track.bandwidth?)?;
    for other in
        offers.iter().skip(1).flat_map(|o| &o.video).filter(|v| (v.height, v.codec) == (track.height, track.codec))
    {
        if let Some(more) = other.bandwidth.and_then(around) {
            range = KbpsRange { min: range.min.min(more.min), max: range.max.max(more.max) };
        }
    }
    Some(range)
}

fn around(bandwidth: u64) -> Option<KbpsRange> {
    let kbps = bandwidth / 1000;
    let min = u32::try_from(kbps * (100 - ROOM_PERCENT) / 100).ok()?;
    let max = u32::try_from((kbps * (100 + ROOM_PERCENT)).div_ceil(100)).ok()?.max(1);
    (max <= 1_000_000).then_some(KbpsRange { min, max })
}

/// Systems that any stream names: which of them is expected from which stream depends on its protocol.
fn systems(offers: &[Ladder]) -> Vec<DrmSystem> {
    let all = DrmSystem::ALL.iter().copied();
    all.filter(|s| offers.iter().any(|o| o.protection.systems.contains(s))).collect()
}
