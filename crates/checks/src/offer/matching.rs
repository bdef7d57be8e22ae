//! Which track of an offer is which of the contract (CHECKS 3.10): best first by type, codec family, height, frame rate,
//! dynamic range, language and role. What is matched is compared; what is left over is missing or extra.

use ow_domain::ladder::{AudioWanted, LadderContract, TextWanted, VideoRung};

use super::{AudioTrack, Ladder, TextTrack, VideoTrack, same_language};

/// Heights further apart than this are two renditions, not one that was altered.
const FURTHEST_HEIGHT: f64 = 0.15;

/// The offer laid over the contract: for each item of the contract the place of its track.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matched {
    pub video: Vec<Option<usize>>,
    pub audio: Vec<Option<usize>>,
    pub text: Vec<Option<usize>>,
    /// Places of tracks that nobody agreed to; copies of matched ones are none.
    pub extra_video: Vec<usize>,
    pub extra_audio: Vec<usize>,
    pub extra_text: Vec<usize>,
}

impl Matched {
    pub fn new(contract: &LadderContract, ladder: &Ladder) -> Self {
        let video = assign(contract.video.len(), ladder.video.len(), |want, have| {
            video_cost(contract.video.get(want)?, ladder.video.get(have)?)
        });
        let audio = assign(contract.audio.len(), ladder.audio.len(), |want, have| {
            audio_cost(contract.audio.get(want)?, ladder.audio.get(have)?)
        });
        let text = assign(contract.subtitles.len(), ladder.text.len(), |want, have| {
            text_cost(contract.subtitles.get(want)?, ladder.text.get(have)?)
        });
        let is_copy = |have: &VideoTrack| {
            video.iter().flatten().filter_map(|at| ladder.video.get(*at)).any(|matched| is_video_copy(matched, have))
        };
        let extra_video = left_over(&video, ladder.video.len()).filter(|at| !is_copy(&ladder.video[*at])).collect();
        let is_audio_copy = |have: &AudioTrack| {
            let mut matched = audio.iter().flatten().filter_map(|at| ladder.audio.get(*at));
            matched.any(|m| {
                let language = |t: &AudioTrack| t.language.clone().unwrap_or_default();
                m.role == have.role && same_language(&language(m), &language(have))
            })
        };
        let extra_audio =
            left_over(&audio, ladder.audio.len()).filter(|at| !is_audio_copy(&ladder.audio[*at])).collect();
        let is_text_copy = |have: &TextTrack| {
            let mut matched = text.iter().flatten().filter_map(|at| ladder.text.get(*at));
            let language = |t: &TextTrack| t.language.clone().unwrap_or_default();
            matched.any(|m| m.kind == have.kind && same_language(&language(m), &language(have)))
        };
        let extra_text = left_over(&text, ladder.text.len()).filter(|at| !is_text_copy(&ladder.text[*at])).collect();
        Self { extra_video, extra_audio, extra_text, video, audio, text }
    }

    /// Agreed and offered.
    pub(crate) fn rungs<'a>(
        &'a self,
        contract: &'a LadderContract,
        ladder: &'a Ladder,
    ) -> impl Iterator<Item = (usize, &'a VideoRung, &'a VideoTrack)> {
        let pairs = contract.video.iter().zip(&self.video).enumerate();
        pairs.filter_map(|(n, (rung, at))| Some((n, rung, ladder.video.get((*at)?)?)))
    }
}

fn left_over(matched: &[Option<usize>], n: usize) -> impl Iterator<Item = usize> + '_ {
    (0..n).filter(|at| !matched.contains(&Some(*at)))
}

/// The same rendition again: for another group of sound, or from another host.
fn is_video_copy(matched: &VideoTrack, have: &VideoTrack) -> bool {
    let near = match (matched.bandwidth, have.bandwidth) {
        (Some(a), Some(b)) => a.abs_diff(b) <= a.max(b) / 4,
        _ => true,
    };
    matched.same_picture(have) && (near || matched.name == have.name)
}

/// Cheapest pairs first, each side once. Small lists: a few thousand pairs at most.
fn assign(n_wanted: usize, n_offered: usize, cost: impl Fn(usize, usize) -> Option<u32>) -> Vec<Option<usize>> {
    let mut pairs: Vec<(u32, usize, usize)> = Vec::new();
    for want in 0..n_wanted {
        for have in 0..n_offered {
            pairs.extend(cost(want, have).map(|cost| (cost, want, have)));
        }
    }
    pairs.sort_unstable();
    let mut found = vec![None; n_wanted];
    let mut taken = vec![false; n_offered];
    for (_, want, have) in pairs {
        if found[want].is_none() && !taken[have] {
            found[want] = Some(have);
            taken[have] = true;
        }
    }
    found
}

fn video_cost(want: &VideoRung, have: &VideoTrack) -> Option<u32> {
    let mut cost = 0;
    match have.height {
        Some(height) => {
            let far = f64::from(height.abs_diff(want.height)) / f64::from(want.height.max(1));
            if far > FURTHEST_HEIGHT {
                return None;
            }
            cost += (far * 10_000.0) as u32;
        }
        // A manifest without sizes: only the bitrate can tell.
        None => {
            let range = want.bitrate_kbps?;
            let kbps = have.bandwidth? / 1000;
            if !(u64::from(range.min)..=u64::from(range.max)).contains(&kbps) {
                return None;
            }
            cost += 1000;
        }
    }
    cost += u32::from(have.width.is_some_and(|width| width != want.width)) * 200;
    cost += u32::from(want.codec.is_some() && have.codec.is_some() && want.codec != have.codec) * 400;
    cost += u32::from(want.dynamic_range.is_some() && have.range.is_some() && want.dynamic_range != have.range) * 300;
    if let (Some(want), Some(have)) = (want.frame_rate, have.frame_rate()) {
        cost += u32::from((want - have).abs() / want > 0.005) * 250;
    }
    if let (Some(range), Some(bandwidth)) = (want.bitrate_kbps, have.bandwidth) {
        let middle = u64::from(range.min.midpoint(range.max)) * 1000;
        let share = bandwidth.abs_diff(middle).saturating_mul(100) / middle.max(1);
        cost += u32::try_from(share.min(150)).unwrap_or(150);
    }
    Some(cost)
}

fn audio_cost(want: &AudioWanted, have: &AudioTrack) -> Option<u32> {
    let language = have.language.as_deref().unwrap_or_default();
    if !same_language(&want.language, language) || want.role != have.role {
        return None;
    }
    let mut cost = u32::from(want.language != language);
    cost += u32::from(want.codec.is_some() && have.codec.is_some() && want.codec != have.codec) * 100;
    cost += u32::from(want.channels.is_some() && have.channels.is_some() && want.channels != have.channels) * 50;
    cost += u32::from(want.default != have.default) * 2;
    Some(cost)
}

fn text_cost(want: &TextWanted, have: &TextTrack) -> Option<u32> {
    let language = have.language.as_deref().unwrap_or_default();
    let same = same_language(&want.language, language) && want.kind == have.kind;
    same.then(|| u32::from(want.language != language))
}

#[cfg(test)]
mod tests {
    use ow_domain::ladder::VideoCodec;

    use super::*;

    fn rung(text: &str, codec: Option<VideoCodec>) -> VideoRung {
        let (width, height) = ow_domain::ladder::parse_resolution(text).unwrap();
        VideoRung { width, height, codec, ..VideoRung::default() }
    }

    fn track(text: &str, codec: Option<VideoCodec>, bandwidth: u64) -> VideoTrack {
        let (width, height) = ow_domain::ladder::parse_resolution(text).unwrap();
        VideoTrack {
            name: text.into(),
            width: Some(width),
            height: Some(height),
            codec,
            bandwidth: Some(bandwidth),
            ..VideoTrack::default()
        }
    }

    #[test]
    fn the_nearest_is_taken_and_the_rest_is_missing_or_extra() {
        let h264 = Some(VideoCodec::H264);
        let contract = LadderContract {
            video: vec![rung("1920x1080", h264), rung("1024x576", h264), rung("960x540", h264)],
            ..LadderContract::default()
        };
        let offer = |video: Vec<VideoTrack>| Ladder { video, ..Ladder::default() };
        let ladder = offer(vec![track("960x540", h264, 1), track("1920x1088", h264, 5), track("426x240", h264, 1)]);
        let matched = Matched::new(&contract, &ladder);
        assert_eq!(matched.video, [Some(1), None, Some(0)]);
        assert_eq!(matched.extra_video, [2]);
        // The same rendition for two groups of sound.
        let twice = offer(vec![track("1920x1080", h264, 5_000_000), track("1920x1080", h264, 5_200_000)]);
        assert!(Matched::new(&contract, &twice).extra_video.is_empty());
        // Codec family decides between equals.
        let both = offer(vec![track("1920x1080", Some(VideoCodec::H265), 3), track("1920x1080", h264, 5)]);
        assert_eq!(Matched::new(&contract, &both).video[0], Some(1));
        assert_eq!(Matched::new(&contract, &both).extra_video, [0]);
    }
}
