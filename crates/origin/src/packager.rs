//! Segment bytes as a pure function of (rendition, number). Templates for every place in the loop are made at first use: a few megabytes,
//! shared by all channels.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;

use crate::cmaf::{self, AUDIO_SCALE, CmafTemplate, VIDEO_SCALE};
use crate::config::GOP_MS;
use crate::ladder::{AUDIO, Ladder};
use crate::mark::Mark;
use crate::recording::{GOP_FRAMES, LOOP_AUDIO_FRAMES, LOOP_FRAMES, Pictures};
use crate::ts::{AUDIO_FRAME, AudioSpan, FRAME, TsTemplate};

const LOOP_GOPS: usize = LOOP_FRAMES / GOP_FRAMES;
/// AAC samples per frame.
const AUDIO_SAMPLES: i64 = 1_024;

/// Another way to cut the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cut {
    /// Begins ten pictures after an IDR.
    InsideGop,
    /// 12.5 pictures/s: the first half of each GOP, each picture twice as long.
    Halved,
    /// Begins so many GOPs later.
    Later { gops: u32 },
}

/// What differs in a segment that is not as it should be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Twist {
    /// Media times are off by so much, microseconds.
    pub shift_us: i64,
    /// The segment as it was published, where its media is that of another number.
    pub published: Option<i64>,
    /// How it is cut, and the first segment that is cut so: until then continuity counters count the clean ones.
    pub cut: Option<(Cut, i64)>,
}

/// Templates of the places in the loop.
type Places<T> = [OnceLock<Vec<T>>; 4];

/// Makes segments of one duration.
#[derive(Debug)]
pub(crate) struct Packager {
    ladder: &'static Ladder,
    segment_ms: i64,
    gops: usize,
    /// Segments until the loop begins again at a segment boundary.
    period: usize,
    ts: Places<TsTemplate>,
    cmaf: Places<CmafTemplate>,
    part_ms: i64,
    /// By place of the part in the loop.
    parts: Places<CmafTemplate>,
    /// Templates of other cuts, made when a fault asks for them.
    ts_cuts: Mutex<BTreeMap<Cut, Arc<Places<TsTemplate>>>>,
    cmaf_cuts: Mutex<BTreeMap<Cut, Arc<Places<CmafTemplate>>>>,
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
    pub fn new(ladder: &'static Ladder, segment_ms: u32, part_ms: u32) -> Packager {
        let gops = (segment_ms / GOP_MS) as usize;
        let period = (1..=LOOP_GOPS).find(|p| (p * gops).is_multiple_of(LOOP_GOPS)).unwrap_or(LOOP_GOPS);
        let [a, b, c] = &ladder.video;
        let inits = [cmaf::video_init(a), cmaf::video_init(b), cmaf::video_init(c), cmaf::audio_init(&ladder.audio)];
        let (ts, cmaf, parts, ts_cuts, cmaf_cuts) = Default::default();
        let (segment_ms, part_ms) = (i64::from(segment_ms), i64::from(part_ms));
        Packager { ladder, segment_ms, gops, period, ts, cmaf, part_ms, parts, ts_cuts, cmaf_cuts, inits }
    }

    pub fn ladder(&self) -> &'static Ladder {
        self.ladder
    }

    pub fn init(&self, rendition: usize) -> Bytes {
        self.inits[rendition].clone()
    }

    /// TS segment `n` (at least 0) of a video rendition with the audio muxed in.
    pub fn ts(&self, rendition: usize, n: i64, twist: Twist) -> Bytes {
        let clean = self.ts_templates(rendition, &self.ts, None);
        let start = n * self.segment_ms * 90 + twist.shift_us * 9 / 100;
        let place = (n % self.period as i64) as usize;
        let mark = Mark(twist.published.unwrap_or(n));
        let Some((cut, since)) = twist.cut else {
            return clean[place].segment(start, self.packets(clean, n), mark);
        };
        let cuts = cuts_of(&self.ts_cuts, cut);
        let templates = self.ts_templates(rendition, &cuts, Some(cut));
        let since = since.clamp(0, n);
        let (made, made_before) = (self.packets(templates, n), self.packets(templates, since));
        let mut before = self.packets(clean, since);
        for (i, count) in before.iter_mut().enumerate() {
            *count += made[i] - made_before[i];
        }
        templates[place].segment(start + later(Some(cut)) * 90, before, mark)
    }

    /// Packets per PID in all segments before `n`.
    fn packets(&self, templates: &[TsTemplate], n: i64) -> [u64; 4] {
        let (turn, place) = (n / self.period as i64, (n % self.period as i64) as usize);
        let mut before = [0u64; 4];
        for (i, template) in templates.iter().enumerate() {
            for (sum, count) in before.iter_mut().zip(template.counts) {
                *sum += count * (turn as u64 + u64::from(i < place));
            }
        }
        before
    }

    /// CMAF segment `n` (at least 0).
    pub fn cmaf(&self, rendition: usize, n: i64, twist: Twist) -> Bytes {
        let place = (n % self.period as i64) as usize;
        let (start, _) = self.span_of(rendition, n, twist.cut.map(|(cut, _)| cut));
        let time = (start + twist.shift_us * i64::from(scale(rendition)) / 1_000_000).max(0) as u64;
        let mark = Mark(twist.published.unwrap_or(n));
        match twist.cut {
            None => self.cmaf_templates(rendition, &self.cmaf, None)[place].segment((n + 1) as u32, time, mark),
            Some((cut, _)) => {
                let cuts = cuts_of(&self.cmaf_cuts, cut);
                self.cmaf_templates(rendition, &cuts, Some(cut))[place].segment((n + 1) as u32, time, mark)
            }
        }
    }

    /// Parts in a segment.
    pub fn n_parts(&self) -> i64 {
        self.segment_ms / self.part_ms
    }

    /// Part `part` of segment `n` (at least 0), a CMAF chunk. Of a twist only the shift and the number are taken.
    pub fn part(&self, rendition: usize, n: i64, part: i64, twist: Twist) -> Bytes {
        let at = n * self.n_parts() + part;
        let time = self.part_span(rendition, at).0 + twist.shift_us * i64::from(scale(rendition)) / 1_000_000;
        let templates = self.part_templates(rendition);
        let place = at.rem_euclid(templates.len() as i64) as usize;
        templates[place].segment((at + 1) as u32, time.max(0) as u64, Mark(twist.published.unwrap_or(n)))
    }

    /// Segment `n` as its parts make it.
    pub fn of_parts(&self, rendition: usize, n: i64, twist: Twist) -> Bytes {
        let parts = (0..self.n_parts()).map(|part| self.part(rendition, n, part, twist));
        Bytes::from(parts.fold(Vec::new(), |mut all, part| {
            all.extend_from_slice(&part);
            all
        }))
    }

    /// Media start and duration of a part, counted from the first of segment 0, in the rendition's timescale.
    pub fn part_span(&self, rendition: usize, at: i64) -> (i64, i64) {
        if rendition == AUDIO {
            let (first, end) = (audio_at(at * self.part_ms), audio_at((at + 1) * self.part_ms));
            return (first * AUDIO_SAMPLES, (end - first) * AUDIO_SAMPLES);
        }
        let duration = self.part_ms * i64::from(VIDEO_SCALE) / 1_000;
        (at * duration, duration)
    }

    /// Whether a part, counted as in [`Packager::part_span`], has a picture to begin with.
    pub fn is_independent(&self, rendition: usize, at: i64) -> bool {
        rendition == AUDIO || (at * self.part_ms).rem_euclid(i64::from(GOP_MS)) == 0
    }

    /// What one low-latency rendition takes.
    pub fn ll_rate(&self, rendition: usize) -> Rate {
        let templates = self.part_templates(rendition);
        let n = self.n_parts() as usize;
        let of_segment =
            |first: usize| (0..n).map(|i| templates[(first * n + i) % templates.len()].len()).sum::<usize>();
        self.rate((0..self.period).map(of_segment))
    }

    fn part_templates(&self, rendition: usize) -> &[CmafTemplate] {
        self.parts[rendition].get_or_init(|| {
            let loop_ms = LOOP_FRAMES as i64 * FRAME / 90;
            let pictures = (self.part_ms * 90 / FRAME) as usize;
            let build = |place: i64| match self.ladder.video.get(rendition) {
                Some(video) => {
                    let first = place as usize * pictures;
                    // A run of pictures across a GOP's end is as long as one inside.
                    CmafTemplate::video(video, Pictures { first, count: pictures, ticks: FRAME, of_gop: GOP_FRAMES })
                }
                None => {
                    let (first, end) = (audio_at(place * self.part_ms), audio_at((place + 1) * self.part_ms));
                    let (first, count) = (first as usize % LOOP_AUDIO_FRAMES, (end - first) as usize);
                    CmafTemplate::audio(&self.ladder.audio, first, count)
                }
            };
            (0..loop_ms / self.part_ms).map(build).collect()
        })
    }

    /// Media start and duration of segment `n` in the rendition's timescale ([`scale`]). Audio is cut between AAC frames.
    pub fn span(&self, rendition: usize, n: i64) -> (i64, i64) {
        self.span_of(rendition, n, None)
    }

    fn span_of(&self, rendition: usize, n: i64, cut: Option<Cut>) -> (i64, i64) {
        if rendition == AUDIO {
            let (first, end) = (self.first_audio(n, cut), self.first_audio(n + 1, cut));
            return (first * AUDIO_SAMPLES, (end - first) * AUDIO_SAMPLES);
        }
        let duration = self.segment_ms * i64::from(VIDEO_SCALE) / 1_000;
        (n * duration + later(cut) * i64::from(VIDEO_SCALE) / 1_000, duration)
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
        self.rate(self.ts_templates(rendition, &self.ts, None).iter().map(TsTemplate::len))
    }

    /// What one CMAF rendition takes.
    pub fn cmaf_rate(&self, rendition: usize) -> Rate {
        self.rate(self.cmaf_templates(rendition, &self.cmaf, None).iter().map(CmafTemplate::len))
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
    fn first_audio(&self, n: i64, cut: Option<Cut>) -> i64 {
        audio_at(n * self.segment_ms + later(cut))
    }

    fn audio_span(&self, n: i64, cut: Option<Cut>) -> AudioSpan {
        let (first, end) = (self.first_audio(n, cut), self.first_audio(n + 1, cut));
        AudioSpan {
            first: first as usize % LOOP_AUDIO_FRAMES,
            count: (end - first) as usize,
            offset: first * AUDIO_FRAME - (n * self.segment_ms + later(cut)) * 90,
        }
    }

    /// The pictures of a place in the loop.
    fn pictures(&self, place: usize, cut: Option<Cut>) -> Pictures {
        let count = self.gops * GOP_FRAMES;
        let usual = Pictures { first: place * count % LOOP_FRAMES, count, ticks: FRAME, of_gop: GOP_FRAMES };
        let moved = |by: usize| Pictures { first: (usual.first + by) % LOOP_FRAMES, ..usual };
        match cut {
            None => usual,
            Some(Cut::InsideGop) => moved(10),
            Some(Cut::Halved) => Pictures { count: count / 2, ticks: 2 * FRAME, of_gop: GOP_FRAMES / 2, ..usual },
            Some(Cut::Later { gops }) => moved(gops as usize * GOP_FRAMES),
        }
    }

    fn ts_templates<'a>(&self, rendition: usize, places: &'a Places<TsTemplate>, cut: Option<Cut>) -> &'a [TsTemplate] {
        places[rendition].get_or_init(|| {
            let (video, audio) = (&self.ladder.video[rendition], &self.ladder.audio);
            let build =
                |p: usize| TsTemplate::build(video, self.pictures(p, cut), audio, self.audio_span(p as i64, cut));
            (0..self.period).map(build).collect()
        })
    }

    fn cmaf_templates<'a>(
        &self,
        rendition: usize,
        places: &'a Places<CmafTemplate>,
        cut: Option<Cut>,
    ) -> &'a [CmafTemplate] {
        places[rendition].get_or_init(|| {
            let build = |p: usize| match self.ladder.video.get(rendition) {
                Some(video) => CmafTemplate::video(video, self.pictures(p, cut)),
                None => {
                    let span = self.audio_span(p as i64, cut);
                    CmafTemplate::audio(&self.ladder.audio, span.first, span.count)
                }
            };
            (0..self.period).map(build).collect()
        })
    }
}

/// Number of the first AAC frame that starts at or after so many milliseconds.
fn audio_at(ms: i64) -> i64 {
    (ms * 90 + AUDIO_FRAME - 1).div_euclid(AUDIO_FRAME)
}

/// How much later a cut begins, milliseconds.
fn later(cut: Option<Cut>) -> i64 {
    match cut {
        Some(Cut::Later { gops }) => i64::from(gops * GOP_MS),
        _ => 0,
    }
}

fn cuts_of<T>(made: &Mutex<BTreeMap<Cut, Arc<Places<T>>>>, cut: Cut) -> Arc<Places<T>> {
    let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry(cut).or_insert_with(|| Arc::new([const { OnceLock::new() }; 4])).clone()
}

/// Media timescale of a rendition in CMAF and DASH.
pub(crate) fn scale(rendition: usize) -> u32 {
    if rendition == AUDIO { AUDIO_SCALE } else { VIDEO_SCALE }
}
