//! The walk over length-prefixed NAL units in `mdat` (ISO/IEC 14496-15 4.3.2): lengths and headers only, as they pass.

use super::init::InitTrack;
use crate::nal::VideoCodec;

/// A sample of one run, where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    /// From the start of the `moof`.
    pub(crate) start: i64,
    pub(crate) size: u32,
    /// Place of its run in the list of runs.
    pub(crate) run: usize,
}

/// What the walk found of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Found {
    pub(crate) n_walked: u32,
    pub(crate) n_errors: u32,
    pub(crate) first_slice_type: Option<u8>,
}

/// How the samples of a run are cut into NAL units; `None`: not at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) codec: VideoCodec,
    pub(crate) length_bytes: u8,
}

impl Rule {
    pub(crate) fn of(track: &InitTrack) -> Option<Self> {
        let codec = match track.codec.as_str() {
            "h264" => VideoCodec::H264,
            "h265" => VideoCodec::H265,
            _ => return None,
        };
        (track.nal_length_bytes > 0).then_some(Self { codec, length_bytes: track.nal_length_bytes })
    }
}

/// Walks the samples of one fragment.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// By start, absolute; none overlap.
    samples: Vec<(u64, u32, usize)>,
    next: usize,
    rules: Vec<Option<Rule>>,
    state: State,
    /// Bytes of the sample under way that are still to come.
    left: u32,
    found: Vec<Found>,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    /// Before the sample `next`.
    #[default]
    Between,
    Length {
        have: u8,
        value: u32,
    },
    Header {
        nal: u32,
    },
    Payload {
        nal: u32,
    },
    /// The rest of a sample that is not walked, or broken.
    Rest,
}

impl Walk {
    /// Samples of a `moof` that starts at `base`.
    pub(crate) fn begin(&mut self, samples: &[Sample], base: u64, rules: Vec<Option<Rule>>) {
        self.samples.clear();
        self.samples.extend(samples.iter().filter_map(|s| Some((base.checked_add_signed(s.start)?, s.size, s.run))));
        self.samples.retain(|(_, size, run)| *size > 0 && rules.get(*run).is_some_and(Option::is_some));
        self.samples.sort_unstable();
        let overlap = self.samples.windows(2).any(|w| w[0].0 + u64::from(w[0].1) > w[1].0);
        if overlap {
            self.samples.clear();
        }
        self.next = 0;
        self.rules = rules;
        self.state = State::Between;
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.next >= self.samples.len()
    }

    pub(crate) fn found(&self, run: usize) -> Found {
        self.found.get(run).copied().unwrap_or_default()
    }

    /// Bytes of `mdat` that begin at `offset` of the body.
    pub(crate) fn push(&mut self, mut offset: u64, mut bytes: &[u8]) {
        while let Some(&(start, size, run)) = self.samples.get(self.next) {
            if matches!(self.state, State::Between) {
                if start < offset {
                    // Its beginning was not in any mdat.
                    self.next += 1;
                    continue;
                }
                let skip = start - offset;
                let Some(rest) = usize::try_from(skip).ok().and_then(|skip| bytes.get(skip..)) else { return };
                if rest.is_empty() {
                    return;
                }
                (bytes, offset) = (rest, start);
                self.left = size;
                self.state = State::Length { have: 0, value: 0 };
            }
            let Some(rule) = self.rules.get(run).copied().flatten() else { return };
            if self.found.len() <= run {
                self.found.resize(run + 1, Found::default());
            }
            let used = self.step(bytes, rule, run);
            offset += used as u64;
            bytes = &bytes[used..];
            if bytes.is_empty() && self.left > 0 {
                return;
            }
        }
    }

    /// Takes what it can at once; ends the sample when its last byte is taken.
    fn step(&mut self, bytes: &[u8], rule: Rule, run: usize) -> usize {
        let found = &mut self.found[run];
        let mut used = 0_usize;
        while let Some(&byte) = bytes.get(used) {
            if self.left == 0 {
                break;
            }
            let skip = |want: u32| bytes.len().saturating_sub(used).min(want as usize);
            match self.state {
                State::Between => break,
                State::Length { have, value } => {
                    let (have, value) = (have + 1, value << 8 | u32::from(byte));
                    used += 1;
                    self.left -= 1;
                    self.state = if have < rule.length_bytes {
                        State::Length { have, value }
                    } else if value == 0 || value > self.left {
                        found.n_errors += 1;
                        State::Rest
                    } else {
                        State::Header { nal: value }
                    };
                }
                State::Header { nal } => {
                    let (kind, is_slice) = match rule.codec {
                        VideoCodec::H264 => (byte & 0x1f, (1..=5).contains(&(byte & 0x1f))),
                        VideoCodec::H265 => (byte >> 1 & 0x3f, byte >> 1 & 0x3f < 32),
                    };
                    if byte & 0x80 != 0 {
                        found.n_errors += 1;
                        self.state = State::Rest;
                        continue;
                    }
                    if is_slice && found.n_walked == 0 {
                        found.first_slice_type.get_or_insert(kind);
                    }
                    self.state = State::Payload { nal };
                }
                State::Payload { nal } => {
                    let take = skip(nal);
                    used += take;
                    self.left -= take as u32;
                    let nal = nal - take as u32;
                    self.state = if nal == 0 { State::Length { have: 0, value: 0 } } else { State::Payload { nal } };
                }
                State::Rest => {
                    let take = skip(self.left);
                    used += take;
                    self.left -= take as u32;
                }
            }
        }
        if self.left == 0 {
            if matches!(self.state, State::Length { have: 1.., .. }) {
                found.n_errors += 1;
            }
            found.n_walked += 1;
            self.next += 1;
            self.state = State::Between;
        }
        used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const H264: Option<Rule> = Some(Rule { codec: VideoCodec::H264, length_bytes: 4 });

    fn walk(bytes: &[u8], sizes: &[u32], step: usize) -> Found {
        let mut start = 0;
        let samples: Vec<Sample> = sizes
            .iter()
            .map(|size| {
                let sample = Sample { start, size: *size, run: 0 };
                start += i64::from(*size);
                sample
            })
            .collect();
        let mut walk = Walk::default();
        walk.begin(&samples, 100, vec![H264]);
        for (n, piece) in bytes.chunks(step).enumerate() {
            walk.push(100 + (n * step) as u64, piece);
        }
        walk.found(0)
    }

    #[test]
    fn lengths_must_cover_samples() {
        let idr = [0, 0, 0, 2, 9, 0xf0, 0, 0, 0, 3, 0x65, 1, 2];
        let inter = [0, 0, 0, 3, 0x41, 1, 2];
        let too_long = [0, 0, 0, 4, 0x41, 1, 2];
        let cut = [0, 0, 0, 1, 0x41, 0, 0];
        let forbidden = [0, 0, 0, 3, 0xc1, 1, 2];
        for (parts, n_errors, first) in [
            (&[&idr[..], &inter][..], 0, Some(5)),
            (&[&inter[..], &idr], 0, Some(1)),
            (&[&idr[..], &too_long, &inter], 1, Some(5)),
            (&[&idr[..], &cut], 1, Some(5)),
            (&[&forbidden[..]], 1, None),
            (&[&[0; 20][..], &[0; 20]], 2, None),
        ] {
            let bytes: Vec<u8> = parts.concat();
            let sizes: Vec<u32> = parts.iter().map(|p| p.len() as u32).collect();
            for step in [1, 2, 5, 1_000] {
                let found = walk(&bytes, &sizes, step);
                let expected = Found { n_walked: parts.len() as u32, n_errors, first_slice_type: first };
                assert_eq!(found, expected, "{parts:?} in steps of {step}");
            }
        }
    }
}
