//! Segment bytes to facts, while they stream past: MPEG-TS, ISO BMFF/CMAF, packed audio, WebVTT, and what is no media.
//!
//! Pure and bounded: it keeps headers and tables, never payload; every count and length read from input is capped; no
//! input makes it panic; the facts do not depend on how the bytes were cut into chunks. It judges nothing and knows no
//! playlist. Start at [`SegmentParser`]; init sections give [`InitFacts`], which the segments after them need.

mod audio;
mod bits;
mod decrypt;
mod digest;
mod issues;
mod mp4;
mod nal;
mod packed;
mod sniff;
mod sps;
mod ts;
mod vtt;

use ow_domain::facts::{Container, ElementaryFacts, EsKind, SegmentFacts};

pub use decrypt::{ClearKey, Decryptor};
pub use mp4::{InitFacts, InitTrack};
pub use sniff::sniff;

use issues::Issues;
use sniff::SNIFF_BYTES;

/// Most elementary streams that are told of one segment.
pub const MAX_ELEMENTARY: usize = 16;

/// Reads one segment or init section: [`Self::push`] the bytes as they come, then [`Self::finish`].
pub struct SegmentParser {
    state: State,
    init: Option<InitFacts>,
    n_bytes: u64,
    issues: Issues,
}

enum State {
    /// Not enough bytes yet to tell the container.
    Sniffing(Vec<u8>),
    Ts(Box<ts::TsParser>),
    Mp4(Box<mp4::Mp4Parser>),
    Packed(Box<packed::PackedParser>),
    Vtt(vtt::VttParser),
    /// Text that is no media, or nothing that is known: counted only.
    Other(Container),
}

impl SegmentParser {
    /// `init` are the facts of the init section in force, for ISO BMFF. The container is told by the bytes alone.
    pub fn new(init: Option<&InitFacts>) -> Self {
        Self {
            state: State::Sniffing(Vec::with_capacity(SNIFF_BYTES)),
            init: init.cloned(),
            n_bytes: 0,
            issues: Issues::default(),
        }
    }

    /// The next bytes of the body, in order.
    pub fn push(&mut self, mut bytes: &[u8]) {
        self.n_bytes += bytes.len() as u64;
        if let State::Sniffing(head) = &mut self.state {
            let take = bytes.len().min(SNIFF_BYTES - head.len());
            head.extend_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            if head.len() < SNIFF_BYTES {
                return;
            }
            self.decide();
        }
        self.feed(bytes);
    }

    /// Ends the body. `body_complete` is false when bytes are missing: then what is cut off is no fault of the bytes.
    pub fn finish(mut self, body_complete: bool) -> SegmentFacts {
        self.close(body_complete).0
    }

    /// As [`Self::finish`], and the facts of an init section (`moov`) if there was one.
    pub fn finish_with_init(mut self, body_complete: bool) -> (SegmentFacts, Option<InitFacts>) {
        self.close(body_complete)
    }

    fn close(&mut self, body_complete: bool) -> (SegmentFacts, Option<InitFacts>) {
        if matches!(self.state, State::Sniffing(_)) {
            self.decide();
        }
        let mut facts = SegmentFacts::default();
        let mut init = None;
        match &mut self.state {
            State::Sniffing(_) => {}
            State::Ts(parser) => {
                facts.container = Container::MpegTs;
                parser.finish(body_complete, &mut facts, &mut self.issues);
            }
            State::Mp4(parser) => {
                facts.container = Container::IsoBmff;
                init = parser.finish(body_complete, &mut facts, &mut self.issues);
            }
            State::Packed(parser) => {
                facts.container = Container::PackedAudio;
                parser.finish(body_complete, &mut facts, &mut self.issues);
            }
            State::Vtt(parser) => {
                facts.container = Container::WebVtt;
                facts.vtt = Some(parser.finish());
                facts.elementary.push(ElementaryFacts {
                    kind: EsKind::Text,
                    codec: "wvtt".to_owned(),
                    timescale: 1000,
                    n_access_units: parser.n_cues(),
                    payload_bytes: self.n_bytes,
                    ..ElementaryFacts::default()
                });
            }
            State::Other(container) => facts.container = if self.n_bytes == 0 { Container::Empty } else { *container },
        }
        facts.elementary.truncate(MAX_ELEMENTARY);
        (facts.n_issues, facts.issues) = std::mem::take(&mut self.issues).into_parts();
        (facts, init)
    }

    fn decide(&mut self) {
        let State::Sniffing(head) = std::mem::replace(&mut self.state, State::Other(Container::Unknown)) else {
            return;
        };
        self.state = match sniff(&head) {
            Container::MpegTs => State::Ts(Box::new(ts::TsParser::new(sniff::leading_bytes(&head)))),
            Container::IsoBmff => State::Mp4(Box::new(mp4::Mp4Parser::new(self.init.take()))),
            Container::PackedAudio => State::Packed(Box::default()),
            Container::WebVtt => State::Vtt(vtt::VttParser::default()),
            other => State::Other(other),
        };
        self.feed(&head);
    }

    fn feed(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Ts(parser) => parser.push(bytes, &mut self.issues),
            State::Mp4(parser) => parser.push(bytes, &mut self.issues),
            State::Packed(parser) => parser.push(bytes),
            State::Vtt(parser) => parser.push(bytes),
            State::Sniffing(_) | State::Other(_) => {}
        }
    }
}
