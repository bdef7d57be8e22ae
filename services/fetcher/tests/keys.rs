//! Keys of EXT-X-KEY: fetched once when they appear, and nothing of their bytes is kept.

mod support;

use std::sync::Arc;
use std::time::Duration;

use ow_domain::capture::{Capture, ObjectKind, Outcome, Protocol};
use ow_domain::facts::Container;
use ow_domain::job::{Depth, FetchJob, FetchLimits, StreamJob};
use ow_domain::{ChannelId, ProbeId, StreamId};
use ow_fetcher::watch_channel;
use support::{Server, read_head};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(20);

/// A playlist of two segments under one key; key and segments are what a cipher would give.
async fn server(key_uri: &'static str) -> Server {
    Server::start(Arc::new(move |_, mut stream| {
        Box::pin(async move {
            while let Some(head) = read_head(&mut stream).await {
                let path = head.split(' ').nth(1).unwrap_or_default();
                let body: Vec<u8> = match path {
                    "/live/index.m3u8" => format!(
                        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n\
                         #EXT-X-KEY:METHOD=AES-128,URI=\"{key_uri}\",IV=0x00000000000000000000000000000001\n\
                         #EXTINF:2,\na.ts\n#EXTINF:2,\nb.ts\n"
                    )
                    .into_bytes(),
                    "/live/key.bin" => (200..216).collect(),
                    _ => (0..4_096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect(),
                };
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\netag: \"c0ffee\"\r\n\r\n", body.len());
                if stream.write_all(&[head.as_bytes(), &body].concat()).await.is_err() {
                    break;
                }
            }
        })
    }))
    .await
}

/// Watches until `enough` holds.
async fn watch(url: String, enough: impl Fn(&[Capture]) -> bool) -> Vec<Capture> {
    let job = FetchJob {
        channel: ChannelId::new("one").unwrap(),
        probe: ProbeId::new("p").unwrap(),
        revision: 1,
        streams: vec![StreamJob {
            stream: StreamId::new("aes").unwrap(),
            protocol: Protocol::Hls,
            url,
            headers: vec![],
            depth: Depth::Full,
        }],
        limits: FetchLimits::default(),
    };
    let (sender, mut captures) = mpsc::channel(16);
    let stop = CancellationToken::new();
    let task = tokio::spawn(watch_channel(job, Arc::new(support::probe()), sender, stop.clone()));
    let mut seen = Vec::new();
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !enough(&seen) {
        let next = tokio::time::timeout_at(deadline, captures.recv()).await;
        seen.push(next.expect("in time").expect("the watcher goes on"));
    }
    stop.cancel();
    while let Some(capture) = captures.recv().await {
        seen.push(capture);
    }
    task.await.unwrap();
    seen
}

fn of(captures: &[Capture], object: ObjectKind) -> Vec<&Capture> {
    captures.iter().filter(|c| c.object == object).collect()
}

#[tokio::test]
async fn a_key_is_fetched_once_and_only_its_length_is_kept() {
    let server = server("key.bin").await;
    let seen = watch(server.url("/live/index.m3u8"), |seen| {
        of(seen, ObjectKind::MediaPlaylist).len() >= 4 && !of(seen, ObjectKind::Key).is_empty()
    })
    .await;
    let keys = of(&seen, ObjectKind::Key);
    assert_eq!(keys.len(), 1, "once, although the playlist was read again and again");
    let key = keys[0];
    assert_eq!(key.exchange.url, server.url("/live/key.bin"));
    assert_eq!((key.extra, key.retry, &key.facts, &key.body), (false, false, &None, &None));
    assert_eq!(key.promised.as_ref().unwrap().key_method.as_deref(), Some("AES-128"));
    let Outcome::Response(response) = &key.exchange.outcome else { panic!("{key:?}") };
    assert_eq!((response.status, response.body_bytes), (200, 16));
    assert_eq!((&response.digest, &response.sniff), (&None, &None));
    assert!(response.headers.iter().all(|(name, _)| name != "etag"), "{:?}", response.headers);
    for segment in of(&seen, ObjectKind::Segment) {
        assert_eq!(segment.promised.as_ref().unwrap().key_method.as_deref(), Some("AES-128"));
        assert_eq!(segment.facts.as_ref().unwrap().container, Container::Unknown, "ciphertext");
    }
}

#[tokio::test]
async fn keys_of_drm_systems_are_not_asked_for() {
    let server = server("skd://asset-1").await;
    let seen = watch(server.url("/live/index.m3u8"), |seen| of(seen, ObjectKind::MediaPlaylist).len() >= 3).await;
    assert!(of(&seen, ObjectKind::Key).is_empty());
    assert!(!of(&seen, ObjectKind::Segment).is_empty());
}
