//! Segment bytes as a pure function of (rendition, number). Templates for every place in the loop are made at first use: a few megabytes,
//! shared by all channels.

use std::sync::OnceLock;

use bytes::Bytes;

use crate::cmaf::{self, AUDIO_SCALE, CmafTemplate, VIDEO_SCALE};
use crate::config::GOP_MS;
use crate::ladder::{AUDIO, Ladder};
use crate::recording::{LOOP_AUDIO_FRAMES, LOOP_FRAMES};
use crate::ts::{AUDIO_FRAME, AudioSpan, TsTemplate};

const GOP_FRAMES: usize = 50;
const LOOP_GOPS: usize = LOOP_FRAMES / GOP_FRAMES;
/// AAC samples per frame.
const AUDIO_SAMPLES: i64 = 1_024;

/// Makes segments of one duration.
#[derive(Debug)]
pub(crate) struct Packager {
    ladder: &'static Ladder,
    segment_ms: i64,
    gops: usize,
    /// Segments until the loop begins again at a segment boundary.
    period: usize,
    ts: [OnceLock<Vec<TsTemplate>>; 3],
    cmaf: [OnceLock<Vec<CmafTemplate>>; 4],
    inits: [Bytes; 4],
}

/// Declared bit rates, bits/s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Largest over segments.
    pub peak: u64,
    pub average: u64,
}

impl std::ops::Add for Rate {
    type Output = Rate;
    fn add(self, other: Rate) -> Rate {
        Rate { peak: self.peak + other.peak, average: self.average + other.average }
    }
}

impl Packager {
    pub fn new(ladder: &'static Ladder, segment_ms: u32) -> Packager {
        let gops = (segment_ms / GOP_MS) as usize;
        let period = (1..=LOOP_GOPS).find(|p| (p * gops).is_multiple_of(LOOP_GOPS)).unwrap_or(LOOP_GOPS);
        let [a, b, c] = &ladder.video;
        let inits = [cmaf::video_init(a), cmaf::video_init(b), cmaf::video_init(c), cmaf::audio_init(&ladder.audio)];
        let (ts, cmaf) = Default::default();
        Packager { ladder, segment_ms: i64::from(segment_ms), gops, period, ts, cmaf, inits }
    }

    pub fn ladder(&self) -> &'static Ladder {
        self.ladder
    }

    pub fn init(&self, rendition: usize) -> Bytes {
        self.inits[rendition].clone()
    }

    /// TS segment `n` (at least 0) of a video rendition with the audio muxed in; media times off by `shift_ms`.
    pub fn ts(&self, rendition: usize, n: i64, shift_ms: i64) -> Bytes {
        let templates = self.ts_templates(rendition);
        let (turn, place) = (n / self.period as i64, (n % self.period as i64) as usize);
        let mut before = [0u64; 4];
        for (i, template) in templates.iter().enumerate() {
            for (sum, count) in before.iter_mut().zip(template.counts) {
                *sum += count * (turn as u64 + u64::from(i < place));
            }
        }
        templates[place].segment((n * self.segment_ms + shift_ms) * 90, before)
    }

    /// CMAF segment `n` (at least 0); media times off by `shift_ms`.
    pub fn cmaf(&self, rendition: usize, n: i64, shift_ms: i64) -> Bytes {
        let template = &self.cmaf_templates(rendition)[(n % self.period as i64) as usize];
        let (start, _) = self.span(rendition, n);
        let time = start + shift_ms * i64::from(scale(rendition)) / 1_000;
        template.segment((n + 1) as u32, time.max(0) as u64)
    }

    /// Media start and duration of segment `n` in the rendition's timescale ([`scale`]). Audio is cut between AAC frames.
    pub fn span(&self, rendition: usize, n: i64) -> (i64, i64) {
        if rendition == AUDIO {
            let (first, end) = (self.first_audio(n), self.first_audio(n + 1));
            return (first * AUDIO_SAMPLES, (end - first) * AUDIO_SAMPLES);
        }
        let duration = self.segment_ms * i64::from(VIDEO_SCALE) / 1_000;
        (n * duration, duration)
    }

    /// The segment that starts exactly at `time` in the rendition's timescale.
    pub fn number_at(&self, rendition: usize, time: i64) -> Option<i64> {
        let per_segment = self.segment_ms * i64::from(scale(rendition)) / 1_000;
        // Audio starts up to one frame after the nominal cut.
        let n = time / per_segment;
        (time >= 0 && self.span(rendition, n).0 == time).then_some(n)
    }

    /// What a TS variant takes.
    pub fn ts_rate(&self, rendition: usize) -> Rate {
        self.rate(self.ts_templates(rendition).iter().map(TsTemplate::len))
    }

    /// What one CMAF rendition takes.
    pub fn cmaf_rate(&self, rendition: usize) -> Rate {
        self.rate(self.cmaf_templates(rendition).iter().map(CmafTemplate::len))
    }

    fn rate(&self, lens: impl Iterator<Item = usize>) -> Rate {
        let (mut max, mut sum, mut n) = (0, 0, 0);
        for len in lens {
            max = max.max(len as u64);
            sum += len as u64;
            n += 1;
        }
        let per_second = |bytes: u64, segments: u64| (bytes * 8_000).div_ceil(self.segment_ms as u64 * segments.max(1));
        // An audio segment may be one frame (21 ms) shorter than nominal: at most 1.1 % of the shortest segment.
        Rate { peak: per_second(max, 1) * 102 / 100, average: per_second(sum, n) }
    }

    /// Number of the first AAC frame that starts in or after segment `n`.
    fn first_audio(&self, n: i64) -> i64 {
        let start = n * self.segment_ms * 90;
        (start + AUDIO_FRAME - 1).div_euclid(AUDIO_FRAME)
    }

    fn audio_span(&self, n: i64) -> AudioSpan {
        let (first, end) = (self.first_audio(n), self.first_audio(n + 1));
        AudioSpan {
            first: first as usize % LOOP_AUDIO_FRAMES,
            count: (end - first) as usize,
            offset: first * AUDIO_FRAME - n * self.segment_ms * 90,
        }
    }

    fn ts_templates(&self, rendition: usize) -> &[TsTemplate] {
        self.ts[rendition].get_or_init(|| {
            let frames = self.gops * GOP_FRAMES;
            let (video, audio) = (&self.ladder.video[rendition], &self.ladder.audio);
            let build =
                |p: usize| TsTemplate::build(video, p * frames % LOOP_FRAMES, frames, audio, self.audio_span(p as i64));
            (0..self.period).map(build).collect()
        })
    }

    fn cmaf_templates(&self, rendition: usize) -> &[CmafTemplate] {
        self.cmaf[rendition].get_or_init(|| {
            let frames = self.gops * GOP_FRAMES;
            let build = |p: usize| match self.ladder.video.get(rendition) {
                Some(video) => CmafTemplate::video(video, p * frames % LOOP_FRAMES, frames),
                None => {
                    let span = self.audio_span(p as i64);
                    CmafTemplate::audio(&self.ladder.audio, span.first, span.count)
                }
            };
            (0..self.period).map(build).collect()
        })
    }
}

/// Media timescale of a rendition in CMAF and DASH.
pub(crate) fn scale(rendition: usize) -> u32 {
    if rendition == AUDIO { AUDIO_SCALE } else { VIDEO_SCALE }
}
