//! Undoes `Content-Encoding: gzip` piece by piece, with a cap on what comes out.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;

/// Input given to the decoder at once: deflate expands at most 1,032 times, so one step makes at most 4 MiB.
const STEP_BYTES: usize = 4 << 10;

/// Where body bytes go. Called in the order of the body; never called for redirects and error answers.
pub trait BodySink: Send {
    fn push(&mut self, bytes: &[u8]);
}

/// Keeps the body, for manifests. The size is bounded by [`super::Limits::max_body_bytes`].
#[derive(Debug, Default)]
pub struct Collect(pub Vec<u8>);

impl BodySink for Collect {
    fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

/// Counts and digests only.
#[derive(Debug, Default)]
pub struct Ignore;

impl BodySink for Ignore {
    fn push(&mut self, _bytes: &[u8]) {}
}

pub(crate) enum Coding {
    Identity,
    Gzip(Box<MultiGzDecoder<Capped>>),
    /// A coding that we did not offer and cannot undo.
    Unknown,
}

/// Why decoding stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodingError {
    Bad,
    TooLarge,
}

pub(crate) struct Capped {
    out: Vec<u8>,
    left: u64,
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len() as u64;
        if n > self.left {
            self.left = 0;
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.left -= n;
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Coding {
    /// By the value of `Content-Encoding`; at most `max_bytes` come out.
    pub(crate) fn new(header: Option<&str>, max_bytes: u64) -> Self {
        match header.map(|value| value.trim().to_ascii_lowercase()).as_deref() {
            None | Some("" | "identity") => Self::Identity,
            Some("gzip" | "x-gzip") => {
                Self::Gzip(Box::new(MultiGzDecoder::new(Capped { out: Vec::new(), left: max_bytes })))
            }
            Some(_) => Self::Unknown,
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), CodingError> {
        match self {
            Self::Identity => each(bytes),
            Self::Unknown => return Err(CodingError::Bad),
            Self::Gzip(decoder) => {
                for step in bytes.chunks(STEP_BYTES) {
                    let done = decoder.write_all(step);
                    drain(decoder.get_mut(), &mut each);
                    done.map_err(why)?;
                }
            }
        }
        Ok(())
    }

    /// To be called when the body is complete.
    pub(crate) fn finish(&mut self, mut each: impl FnMut(&[u8])) -> Result<(), CodingError> {
        if let Self::Gzip(decoder) = self {
            let done = decoder.try_finish();
            drain(decoder.get_mut(), &mut each);
            done.map_err(why)?;
        }
        Ok(())
    }
}

fn drain(capped: &mut Capped, each: &mut impl FnMut(&[u8])) {
    if !capped.out.is_empty() {
        each(&capped.out);
        capped.out.clear();
    }
}

fn why(error: io::Error) -> CodingError {
    if error.kind() == io::ErrorKind::FileTooLarge { CodingError::TooLarge } else { CodingError::Bad }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn check(header: &str, wire: &[u8], max: u64, expected: Result<&[u8], CodingError>) {
        for step in [1, 7, 4096, usize::MAX] {
            let mut coding = Coding::new(Some(header), max);
            let mut out = Vec::new();
            let result = wire
                .chunks(step.min(wire.len().max(1)))
                .try_for_each(|piece| coding.push(piece, |b| out.extend_from_slice(b)))
                .and_then(|()| coding.finish(|b| out.extend_from_slice(b)));
            assert_eq!(result.map(|()| out.as_slice()), expected, "{header} in steps of {step}");
        }
    }

    #[test]
    fn gzip_is_undone_within_its_cap() {
        let text = b"#EXTM3U\n".repeat(1000);
        let wire = gzip(&text);
        check("gzip", &wire, 8_000, Ok(&text));
        check("x-gzip", &wire, 8_000, Ok(&text));
        check("gzip", &wire, 7_999, Err(CodingError::TooLarge));
        check("gzip", &wire[..wire.len() - 9], 8_000, Err(CodingError::Bad));
        check("gzip", b"#EXTM3U\n", 8_000, Err(CodingError::Bad));
        check("zstd", b"x", 8_000, Err(CodingError::Bad));
        check("identity", b"x", 8_000, Ok(b"x"));
        check("gzip", &gzip(&vec![0; 4 << 20]), 1 << 20, Err(CodingError::TooLarge));
    }
}
