//! The answer of one hop: head, then body piece by piece through decoder, digest and sink.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::Incoming;
use ow_domain::capture::{BodyEnd, ObjectKind, Response};
use tokio::time::Instant;

use super::coding::{BodySink, Coding, CodingError};
use super::digest::BodyDigest;
use super::outcome::body_end;

/// Response headers kept, and bytes of each.
const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: usize = 1_024;
/// First bytes kept to tell what a wrong body is.
const SNIFF_BYTES: usize = 120;
/// Error bodies up to this size are read, so that the connection can be used again; it is dropped for longer ones.
const MAX_ERROR_BODY: u64 = 16 << 10;

/// The lowest rate of a body is looked for in pieces of this length.
const RATE_WINDOW: Duration = Duration::from_secs(2);

/// The body as it was read.
pub(crate) struct ReadBody {
    pub response: Response,
    pub longest_stall: Duration,
    /// Lowest rate over two seconds, bit/s.
    pub slowest_bits_per_second: Option<u64>,
    /// Last byte of the body, or when its failure was known.
    pub ended: Instant,
    /// The connection can carry another request.
    pub reusable: bool,
}

pub(crate) struct BodyRules {
    pub kind: ObjectKind,
    pub deadline: Instant,
    pub max_bytes: u64,
    /// The request asked for part of the object.
    pub ranged: bool,
}

pub(crate) async fn read(
    answer: hyper::Response<Incoming>,
    head_at: Instant,
    rules: &BodyRules,
    sink: &mut dyn BodySink,
) -> ReadBody {
    let status = answer.status().as_u16();
    let headers = answer.headers();
    let wanted = matches!(status, 200 | 203 | 206);
    let content_length =
        headers.get("content-length").and_then(|v| v.to_str().ok()).and_then(|v| v.trim().parse().ok());
    let max_bytes = if wanted { rules.max_bytes } else { MAX_ERROR_BODY };
    let encoding = headers.get("content-encoding").and_then(|v| v.to_str().ok());
    let mut coding = Coding::new(encoding.filter(|_| wanted), rules.max_bytes);
    let kept = kept_headers(headers);

    let mut body = answer.into_body();
    let mut digest = BodyDigest::new();
    let mut received = 0_u64;
    let mut start: Vec<u8> = Vec::with_capacity(SNIFF_BYTES);
    let mut last = head_at;
    let mut longest_stall = Duration::ZERO;
    let (mut window_from, mut window_bytes) = (head_at, 0_u64);
    let mut slowest: Option<u64> = None;
    let timer = tokio::time::sleep_until(rules.deadline);
    tokio::pin!(timer);
    let mut pass = |bytes: &[u8]| {
        if start.len() < SNIFF_BYTES {
            start.extend_from_slice(&bytes[..bytes.len().min(SNIFF_BYTES - start.len())]);
        }
        if wanted {
            digest.push(bytes);
            sink.push(bytes);
        }
    };
    let mut end = loop {
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = &mut timer => {
                longest_stall = longest_stall.max(last.elapsed());
                break BodyEnd::TimedOut;
            }
        };
        let now = Instant::now();
        longest_stall = longest_stall.max(now.saturating_duration_since(last));
        last = now;
        let frame = match frame {
            None => break BodyEnd::Complete,
            Some(Err(error)) => break body_end(&error),
            Some(Ok(frame)) => frame,
        };
        let Some(data) = frame.data_ref() else { continue };
        let room = max_bytes - received;
        window_bytes += data.len() as u64;
        let window = now.saturating_duration_since(window_from);
        if window >= RATE_WINDOW {
            let rate = (window_bytes as f64 * 8.0 / window.as_secs_f64()) as u64;
            slowest = Some(slowest.map_or(rate, |known| known.min(rate)));
            (window_from, window_bytes) = (now, 0);
        }
        let taken = usize::try_from(room).map_or(data.len(), |room| data.len().min(room));
        received += taken as u64;
        match coding.push(&data[..taken], &mut pass) {
            Ok(()) if taken < data.len() => break BodyEnd::TooLarge,
            Ok(()) => {}
            Err(CodingError::TooLarge) => break BodyEnd::TooLarge,
            Err(CodingError::Bad) => break BodyEnd::BadEncoding,
        }
        // A whole segment may lie in the socket: other transfers of this worker get their turn.
        tokio::task::consume_budget().await;
    };
    let reusable = end == BodyEnd::Complete;
    if reusable {
        match coding.finish(&mut pass) {
            Ok(()) => {}
            Err(CodingError::TooLarge) => end = BodyEnd::TooLarge,
            Err(CodingError::Bad) => end = BodyEnd::BadEncoding,
        }
    }
    if !wanted && status != 304 {
        end = BodyEnd::NotRead;
    }
    let odd = !start.is_empty() && (!wanted || !is_expected(rules.kind, rules.ranged, &start));
    let response = Response {
        status,
        headers: kept,
        body_bytes: received,
        content_length,
        body_end: end,
        digest: (wanted && received > 0).then(|| digest.finish()),
        sniff: odd.then(|| printable(&start)),
    };
    ReadBody {
        response,
        longest_stall,
        slowest_bits_per_second: slowest,
        ended: last.max(head_at).max(now_if(end == BodyEnd::TimedOut, last)),
        reusable,
    }
}

fn now_if(timed_out: bool, last: Instant) -> Instant {
    if timed_out { Instant::now() } else { last }
}

fn kept_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "set-cookie" | "set-cookie2" | "proxy-authenticate"))
        .take(MAX_HEADERS)
        .map(|(name, value)| {
            let value = value.as_bytes();
            let value = &value[..value.len().min(MAX_HEADER_BYTES)];
            (name.as_str().to_owned(), String::from_utf8_lossy(value).into_owned())
        })
        .collect()
}

/// Whether the first bytes of a body can be what was asked for; generous, for `sniff` only.
fn is_expected(kind: ObjectKind, ranged: bool, start: &[u8]) -> bool {
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let trimmed = text.trim_ascii_start();
    match kind {
        ObjectKind::Mvp | ObjectKind::MediaPlaylist => text.starts_with(b"#EXTM3U"),
        ObjectKind::Mpd => {
            trimmed.starts_with(b"<?xml") || trimmed.starts_with(b"<MPD") || trimmed.starts_with(b"<!--")
        }
        ObjectKind::Key | ObjectKind::Probe => true,
        ObjectKind::Init | ObjectKind::Segment | ObjectKind::Part if ranged || text.starts_with(b"WEBVTT") => true,
        ObjectKind::Init | ObjectKind::Segment | ObjectKind::Part => {
            // Media is binary: a NUL, a sync byte or a high byte comes early. An error page is printable throughout.
            !trimmed.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace())
                || trimmed.starts_with(b"G") && trimmed.len() >= 120 && !trimmed.contains(&b' ')
        }
    }
}

fn printable(bytes: &[u8]) -> String {
    bytes.iter().map(|b| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { ' ' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_the_wrong_kind_is_noticed() {
        for (kind, body, expected) in [
            (ObjectKind::MediaPlaylist, &b"#EXTM3U\n#EXT-X-VERSION:3"[..], true),
            (ObjectKind::MediaPlaylist, b"\xef\xbb\xbf#EXTM3U", true),
            (ObjectKind::Mvp, b"<!doctype html>", false),
            (ObjectKind::Mvp, b"", false),
            (ObjectKind::Mpd, b" <?xml version=\"1.0\"?><MPD>", true),
            (ObjectKind::Mpd, b"{\"error\":1}", false),
            (ObjectKind::Segment, b"<html><body>Not here</body></html>", false),
            (ObjectKind::Segment, b"{\"error\":\"gone\"}", false),
            (ObjectKind::Segment, b"\0\0\0\x18styp", true),
            (ObjectKind::Segment, b"G\x40\x11\x10", true),
            (ObjectKind::Segment, b"WEBVTT\n\n", true),
            (ObjectKind::Segment, b"ID3\x04\0", true),
        ] {
            assert_eq!(is_expected(kind, false, body), expected, "{kind:?} {:?}", printable(body));
        }
    }
}
