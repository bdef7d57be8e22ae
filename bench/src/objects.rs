//! What is asked of the origin.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ow_domain::capture::ObjectKind;
use ow_domain::job::FetchLimits;
use ow_fetcher::http::{Access, Collect, Limits, Probe, ProbeOptions, Request, Reuse};
use ow_media::{InitFacts, SegmentParser};

pub struct Object {
    pub name: &'static str,
    pub url: String,
    pub bytes: Vec<u8>,
    pub init: Option<InitFacts>,
    pub is_segment: bool,
}

/// A playlist, a TS segment and an fMP4 segment of one channel.
pub fn find(origin: &str) -> Result<Vec<Object>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let probe = probe();
        let mut objects = Vec::new();
        for (format, rendition, extension, name) in
            [("ts", "360p", ".ts", "TS segment 360p"), ("cmaf", "360p", ".m4s", "fMP4 segment 360p")]
        {
            let folder = format!("{origin}/live/bench/{format}/{rendition}");
            let playlist = get(&probe, &format!("{folder}/index.m3u8")).await?;
            let text = String::from_utf8(playlist.clone()).context("the playlist is no text")?;
            if objects.is_empty() {
                let url = format!("{folder}/index.m3u8");
                objects.push(Object { name: "playlist", url, bytes: playlist, init: None, is_segment: false });
            }
            let segment = text.lines().rfind(|line| line.ends_with(extension)).context("the playlist is empty")?;
            let url = format!("{folder}/{segment}");
            let bytes = get(&probe, &url).await?;
            let init = if format == "cmaf" {
                let mut parser = SegmentParser::new(None);
                parser.push(&get(&probe, &format!("{folder}/init.mp4")).await?);
                parser.finish_with_init(true).1
            } else {
                None
            };
            objects.push(Object { name, url, bytes, init, is_segment: true });
        }
        Ok(objects)
    })
}

async fn get(probe: &Probe, url: &str) -> Result<Vec<u8>> {
    let mut body = Collect::default();
    let exchange = probe.fetch(&request(url, ObjectKind::Segment), &mut body).await;
    ensure!(exchange.is_complete_success(), "{url}: {:?}", exchange.outcome);
    Ok(body.0)
}

pub fn probe() -> Probe {
    Probe::new(ProbeOptions { native_roots: false, ..ProbeOptions::default() })
}

pub fn request(url: &str, kind: ObjectKind) -> Request {
    let limits = FetchLimits::default();
    Request {
        url: url.to_owned(),
        kind,
        headers: Arc::new([]),
        etag: None,
        range: None,
        limits: Limits::segment(&limits, Duration::ZERO),
        access: Access::from(&limits),
        reuse: Reuse::Allowed,
    }
}
