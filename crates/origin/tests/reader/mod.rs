//! A test-side reader that knows nothing of how the origin makes things: a raw HTTP client, a TS walker, an ISO BMFF walker.
#![allow(dead_code, reason = "each test program uses its part")]

pub mod mp4;
pub mod ts;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// 2026-01-01T00:00:00Z, the default epoch, in Unix microseconds.
pub const EPOCH_US: i64 = 1_767_225_600_000_000;

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All of `Content-Length`.
    Whole,
    /// The connection was closed before.
    Short,
    Reset,
    /// Nothing came for the time given.
    Silent,
}

#[derive(Debug)]
pub struct Answer {
    /// 0: no head came.
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    pub end: End,
    pub took: Duration,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|l| l.split_once(':'));
        lines.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One request on its own connection; gives up after 1 s without a byte.
pub async fn request(addr: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let started = std::time::Instant::now();
    let mut stream = TcpStream::connect(addr).await.expect("connects");
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        text += &format!("Content-Length: {}\r\nContent-Type: application/json\r\n", body.len());
    }
    stream.write_all(format!("{text}\r\n{body}").as_bytes()).await.expect("sends");
    let (mut got, mut buf) = (Vec::new(), vec![0; 65_536]);
    let end = loop {
        match tokio::time::timeout(Duration::from_secs(1), stream.read(&mut buf)).await {
            Err(_) => break End::Silent,
            Ok(Ok(0)) => break End::Short,
            Ok(Ok(n)) => got.extend_from_slice(&buf[..n]),
            Ok(Err(e)) if e.kind() == ErrorKind::ConnectionReset => break End::Reset,
            Ok(Err(e)) => panic!("{path}: {e}"),
        }
    };
    let split = got.windows(4).position(|w| w == b"\r\n\r\n");
    let (head, body) = match split {
        Some(at) => (String::from_utf8(got[..at].to_vec()).expect("ASCII head"), got[at + 4..].to_vec()),
        None => (String::new(), Vec::new()),
    };
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    let mut answer = Answer { status, head, body, end, took: started.elapsed() };
    let declared = answer.header("content-length").and_then(|v| v.parse::<usize>().ok());
    let has_none = method == "HEAD" || matches!(status, 204 | 304);
    if end == End::Short && status > 0 && (has_none || declared == Some(answer.body.len())) {
        answer.end = End::Whole;
    }
    answer
}

pub async fn get(addr: SocketAddr, path: &str) -> Answer {
    request(addr, "GET", path, &[], "").await
}

/// The body of a whole 200.
pub async fn fetch(addr: SocketAddr, path: &str) -> Vec<u8> {
    let answer = get(addr, path).await;
    assert_eq!((answer.status, answer.end), (200, End::Whole), "{path}");
    answer.body
}

pub async fn fetch_text(addr: SocketAddr, path: &str) -> String {
    String::from_utf8(fetch(addr, path).await).expect("UTF-8")
}

/// A media playlist, read by the letter.
#[derive(Debug, Default, PartialEq)]
pub struct Playlist {
    pub target_duration: u32,
    pub media_sequence: i64,
    pub discontinuity_sequence: Option<i64>,
    pub map: Option<String>,
    pub is_ended: bool,
    pub segments: Vec<Listed>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listed {
    pub uri: String,
    pub duration_us: i64,
    /// Unix microseconds.
    pub pdt_us: Option<i64>,
    pub is_discontinuous: bool,
    pub is_gap: bool,
}

pub fn playlist(text: &str) -> Playlist {
    assert!(text.starts_with("#EXTM3U\n") && text.ends_with('\n'), "{text}");
    let (mut list, mut next) = (Playlist::default(), Listed::default());
    for line in text.lines() {
        let (tag, value) = line.split_once(':').unwrap_or((line, ""));
        match tag {
            "#EXT-X-TARGETDURATION" => list.target_duration = value.parse().expect("integer"),
            "#EXT-X-MEDIA-SEQUENCE" => list.media_sequence = value.parse().expect("integer"),
            "#EXT-X-DISCONTINUITY-SEQUENCE" => list.discontinuity_sequence = Some(value.parse().expect("integer")),
            "#EXT-X-MAP" => list.map = Some(value.split('"').nth(1).expect("URI").to_owned()),
            "#EXT-X-ENDLIST" => list.is_ended = true,
            "#EXT-X-DISCONTINUITY" => next.is_discontinuous = true,
            "#EXT-X-GAP" => next.is_gap = true,
            "#EXT-X-PROGRAM-DATE-TIME" => next.pdt_us = Some(unix_us(value)),
            "#EXTINF" => {
                let (s, us) = value.trim_end_matches(',').split_once('.').expect("decimal");
                assert_eq!(us.len(), 6);
                next.duration_us = s.parse::<i64>().expect("s") * 1_000_000 + us.parse::<i64>().expect("us");
            }
            "#EXTM3U" | "#EXT-X-VERSION" => {}
            _ if line.starts_with('#') => panic!("unexpected {line}"),
            _ => list.segments.push(Listed { uri: line.to_owned(), ..std::mem::take(&mut next) }),
        }
    }
    list
}

pub fn unix_us(iso: &str) -> i64 {
    iso.parse::<jiff::Timestamp>().expect("a time").as_microsecond()
}

/// The value of an XML attribute, from the first place where it stands.
pub fn attribute<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let at = xml.find(&format!(" {name}=\""))? + name.len() + 3;
    xml[at..].split('"').next()
}
