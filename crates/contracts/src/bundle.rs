//! A bundle: recorded facts of one channel in a file, to be judged again anywhere.
//!
//! One zstd frame of JSON lines: a header with the policy, then captures and ticks in the order in which they
//! happened, then a line that says how many there are. Every tick ends a compressed block, so that of a file that was
//! cut all but the last second can be read. Written and read as a stream: neither side holds more than one line.

use std::io::{self, BufRead, BufReader, Read, Write};

use ow_domain::Time;
use ow_domain::capture::{Capture, Tick};
use ow_domain::policy::ChannelPolicy;
use serde::{Deserialize, Serialize};

use crate::Message;
use crate::envelope::{self, CE_TYPE, DecodeError};

/// Raised when older programs could not understand a bundle any more.
pub const FORMAT: u32 = 1;
/// Longest line in bytes: the largest message of the bus, twice, as a playlist is longer inside JSON.
pub const MAX_LINE_BYTES: u64 = 2 * envelope::MAX_BODY_BYTES as u64;
const LEVEL: i32 = 3;

/// One message of the capture stream, read.
#[derive(Debug, Clone, PartialEq)]
pub enum Recorded {
    Capture(Box<Capture>),
    Tick(Tick),
}

impl Recorded {
    /// Reads what came by the bus, by its `ce-type`; a message without type is a capture.
    pub fn decode<'h>(header: impl Fn(&str) -> Option<&'h str>, body: &[u8]) -> Result<Self, DecodeError> {
        if header(CE_TYPE) == Some(Tick::TYPE) {
            return envelope::decode(header, body).map(Self::Tick);
        }
        envelope::decode(header, body).map(|capture| Self::Capture(Box::new(capture)))
    }

    /// When it happened.
    pub fn at(&self) -> Time {
        match self {
            Self::Capture(capture) => capture.exchange.t_end,
            Self::Tick(tick) => tick.at,
        }
    }
}

/// First line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`].
    pub format: u32,
    /// Program and version: `ottwatch 0.1.0`.
    pub writer: String,
    pub started_at: Time,
    /// What the facts are judged by, without the request headers of its streams.
    pub policy: ChannelPolicy,
}

impl Header {
    /// Request headers are left out: they may hold credentials, and judging does not need them.
    pub fn new(writer: impl Into<String>, started_at: Time, mut policy: ChannelPolicy) -> Self {
        for stream in &mut policy.streams {
            stream.headers.clear();
        }
        Self { format: FORMAT, writer: writer.into(), started_at, policy }
    }
}

/// Last line of a bundle that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    pub captures: u64,
    pub ticks: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum LineRef<'a> {
    Bundle(&'a Header),
    Capture(&'a Capture),
    Tick(&'a Tick),
    End(Counts),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Bundle(Box<Header>),
    Capture(Box<Capture>),
    Tick(Tick),
    End(Counts),
}

/// Writes a bundle.
pub struct Writer<W: Write> {
    out: zstd::stream::write::Encoder<'static, W>,
    counts: Counts,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    pub fn new(inner: W, header: &Header) -> io::Result<Self> {
        let mut out = zstd::stream::write::Encoder::new(inner, LEVEL)?;
        out.include_checksum(true)?;
        let mut writer = Self { out, counts: Counts::default() };
        writer.line(&LineRef::Bundle(header))?;
        writer.out.flush()?;
        Ok(writer)
    }

    fn line(&mut self, line: &LineRef<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")
    }

    pub fn capture(&mut self, capture: &Capture) -> io::Result<()> {
        self.counts.captures += 1;
        self.line(&LineRef::Capture(capture))
    }

    /// Also makes everything so far readable.
    pub fn tick(&mut self, tick: &Tick) -> io::Result<()> {
        self.counts.ticks += 1;
        self.line(&LineRef::Tick(tick))?;
        self.out.flush()
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Writes the last line and gives the inner writer back, everything handed to it.
    pub fn finish(mut self) -> io::Result<W> {
        self.line(&LineRef::End(self.counts))?;
        self.out.finish()
    }
}

/// Why a bundle cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the bundle cannot be read")]
    Io(#[source] io::Error),
    #[error("line {line} of the bundle is longer than {MAX_LINE_BYTES} bytes")]
    TooLong { line: u64 },
    #[error("line {line} of the bundle is not what it should be")]
    Json {
        line: u64,
        #[source]
        source: serde_json::Error,
    },
    #[error("this is no bundle: it does not start with its header")]
    NoHeader,
    #[error("the bundle is of format {found}, and this program knows up to {FORMAT}")]
    Format { found: u32 },
}

/// Reads a bundle.
pub struct Reader<R: Read> {
    lines: BufReader<zstd::stream::read::Decoder<'static, BufReader<R>>>,
    header: Header,
    n_lines: u64,
    seen: Counts,
    /// What the last line said.
    promised: Option<Counts>,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    pub fn new(inner: R) -> Result<Self, ReadError> {
        let decoder = zstd::stream::read::Decoder::new(inner).map_err(ReadError::Io)?;
        let mut lines = BufReader::new(decoder);
        let first = match line_of(&mut lines, 1) {
            Ok(Some(first)) => first,
            Ok(None) => return Err(ReadError::NoHeader),
            // What zstd does not know is no bundle.
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::Other => return Err(ReadError::NoHeader),
            Err(error) => return Err(error),
        };
        #[derive(Deserialize)]
        struct First {
            bundle: Format,
        }
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        match serde_json::from_slice::<First>(&first) {
            Ok(First { bundle: Format { format } }) if format > FORMAT => {
                return Err(ReadError::Format { found: format });
            }
            Ok(_) => {}
            Err(_) => return Err(ReadError::NoHeader),
        }
        let header = match serde_json::from_slice(&first) {
            Ok(Line::Bundle(header)) => *header,
            Ok(_) => return Err(ReadError::NoHeader),
            Err(source) => return Err(ReadError::Json { line: 1, source }),
        };
        Ok(Self { lines, header, n_lines: 1, seen: Counts::default(), promised: None, ended: false })
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next fact; `None` at the end, also at the end of a bundle that was cut: see [`Self::is_whole`].
    #[expect(clippy::should_implement_trait, reason = "it may fail, and the reader is asked more at the end")]
    pub fn next(&mut self) -> Result<Option<Recorded>, ReadError> {
        if self.ended {
            return Ok(None);
        }
        self.n_lines += 1;
        let line = self.n_lines;
        let Some(text) = line_of(&mut self.lines, line)? else {
            self.ended = true;
            return Ok(None);
        };
        match serde_json::from_slice(&text).map_err(|source| ReadError::Json { line, source })? {
            Line::Capture(capture) => {
                self.seen.captures += 1;
                Ok(Some(Recorded::Capture(capture)))
            }
            Line::Tick(tick) => {
                self.seen.ticks += 1;
                Ok(Some(Recorded::Tick(tick)))
            }
            Line::End(counts) => {
                self.promised = Some(counts);
                self.ended = true;
                Ok(None)
            }
            Line::Bundle(_) => Err(ReadError::NoHeader),
        }
    }

    /// After the end: whether the writer finished it and all it wrote was read.
    pub fn is_whole(&self) -> bool {
        self.promised == Some(self.seen)
    }

    /// Facts read so far.
    pub fn counts(&self) -> Counts {
        self.seen
    }
}

/// A whole line; `None` at the end, also when the file was cut inside the line or the compressed data.
fn line_of(lines: &mut impl BufRead, number: u64) -> Result<Option<Vec<u8>>, ReadError> {
    let mut text = Vec::new();
    match lines.take(MAX_LINE_BYTES).read_until(b'\n', &mut text) {
        Ok(_) if text.last() == Some(&b'\n') => Ok(Some(text)),
        Ok(n) if n as u64 >= MAX_LINE_BYTES => Err(ReadError::TooLong { line: number }),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(ReadError::Io(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ow_domain::job::{FetchLimits, StreamJob};
    use ow_domain::policy::{ChannelClass, CheckSettings};
    use ow_domain::{ChannelId, Partition, Span, StreamId};

    fn header() -> Header {
        let policy = ChannelPolicy {
            channel: ChannelId::new("vtv3").unwrap(),
            name: "VTV3".into(),
            revision: 3,
            enabled: true,
            class: ChannelClass::Linear,
            streams: vec![StreamJob {
                stream: StreamId::new("main").unwrap(),
                protocol: ow_domain::capture::Protocol::Hls,
                url: "http://origin.example/a.m3u8".into(),
                headers: vec![("authorization".into(), "Bearer s3cret".into())],
                depth: Default::default(),
            }],
            probes: Vec::new(),
            limits: FetchLimits::default(),
            checks: CheckSettings::default(),
            event_start: None,
            event_end: None,
            labels: Default::default(),
            packager: None,
            region: None,
            runbook: None,
            ladder: None,
        };
        Header::new("test 1", Time::UNIX_EPOCH, policy)
    }

    fn capture(n: u64) -> Capture {
        let sample = include_str!("../../../schemas/samples/ottwatch.capture.v1.json");
        Capture { seq: n, ..serde_json::from_str(sample).unwrap() }
    }

    fn tick(n: u64) -> Tick {
        let partition = Partition::new(7).unwrap();
        Tick { partition, at: Time::UNIX_EPOCH + Span::from_secs(n as i64) }
    }

    fn bundle(n: u64) -> (Vec<u8>, Vec<Recorded>) {
        let mut writer = Writer::new(Vec::new(), &header()).unwrap();
        let mut facts = Vec::new();
        for n in 0..n {
            writer.capture(&capture(n)).unwrap();
            writer.tick(&tick(n)).unwrap();
            facts.extend([Recorded::Capture(Box::new(capture(n))), Recorded::Tick(tick(n))]);
        }
        (writer.finish().unwrap(), facts)
    }

    fn read(bytes: &[u8]) -> (Vec<Recorded>, bool) {
        let mut reader = Reader::new(bytes).unwrap();
        assert_eq!(reader.header(), &header());
        let mut facts = Vec::new();
        while let Some(fact) = reader.next().unwrap() {
            facts.push(fact);
        }
        assert!(reader.next().unwrap().is_none());
        (facts, reader.is_whole())
    }

    #[test]
    fn what_is_written_reads_back_without_credentials() {
        let (bytes, facts) = bundle(20);
        assert_eq!(read(&bytes), (facts, true));
        let plain = zstd::decode_all(&bytes[..]).unwrap();
        assert!(!String::from_utf8(plain).unwrap().contains("s3cret"));
    }

    #[test]
    fn a_cut_bundle_reads_up_to_the_last_whole_second() {
        let (bytes, facts) = bundle(20);
        let mut longest = 0;
        for cut in (60..bytes.len()).step_by(7) {
            let Ok(mut reader) = Reader::new(&bytes[..cut]) else { continue };
            let mut n = 0;
            while let Some(fact) = reader.next().unwrap() {
                assert_eq!(fact, facts[n], "cut at {cut}");
                n += 1;
            }
            assert!(n >= longest, "more bytes hold no less");
            assert!(!reader.is_whole() || n == facts.len());
            longest = n;
        }
        assert!(longest >= facts.len() - 2, "{longest}");
    }

    #[test]
    fn what_is_no_bundle_is_told() {
        let packed = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
        for (bytes, expected) in [
            (b"#EXTM3U\n".to_vec(), "no bundle"),
            (Vec::new(), "no bundle"),
            (packed("{\"tick\":{\"partition\":1,\"at\":\"2026-11-22T09:41:07Z\"}}\n"), "no bundle"),
            (packed("{\"bundle\":{\"format\":99,\"of\":\"the future\"}}\n"), "format 99"),
            (packed("{\"bundle\":{\"format\":1}}\n"), "line 1 "),
        ] {
            let error = Reader::new(&bytes[..]).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let mut broken = serde_json::to_string(&LineRef::Bundle(&header())).unwrap();
        broken.push_str("\n{\"capture\":{}}\n");
        let packed = packed(&broken);
        let error = Reader::new(&packed[..]).unwrap().next().unwrap_err().to_string();
        assert!(error.contains("line 2 "), "{error}");
    }
}
