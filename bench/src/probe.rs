//! The probe's own client with the parser as its sink: what a fetcher does with each request, on one thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ow_domain::capture::ObjectKind;
use ow_fetcher::http::{BodySink, Collect};
use ow_media::SegmentParser;

use crate::cpu::{Of, Rate, used};
use crate::objects::{self, Object};

/// As many connections as wrk has.
const PARALLEL: usize = 32;

struct Parse(SegmentParser);

impl BodySink for Parse {
    fn push(&mut self, bytes: &[u8]) {
        self.0.push(bytes);
    }
}

pub fn run(object: &Object, time: Duration) -> Result<Rate> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(rate(object, time))
        });
        thread.join().ok().context("the probe's thread panicked")?
    })
}

async fn rate(object: &Object, time: Duration) -> Result<Rate> {
    let probe = Arc::new(objects::probe());
    let (cpu, start) = (used(Of::ThisThread), Instant::now());
    let mut loops = Vec::new();
    for _ in 0..PARALLEL {
        let (probe, url, init, is_segment) =
            (probe.clone(), object.url.clone(), object.init.clone(), object.is_segment);
        loops.push(tokio::spawn(async move {
            let kind = if is_segment { ObjectKind::Segment } else { ObjectKind::MediaPlaylist };
            let request = objects::request(&url, kind);
            let mut n = 0_u64;
            while start.elapsed() < time {
                let (exchange, is_read) = if is_segment {
                    let mut sink = Parse(SegmentParser::new(init.as_ref()));
                    let exchange = probe.fetch(&request, &mut sink).await;
                    let facts = sink.0.finish(exchange.is_complete_success());
                    (exchange, facts.main().is_some_and(|es| es.n_access_units > 0))
                } else {
                    let mut body = Collect::default();
                    (probe.fetch(&request, &mut body).await, !body.0.is_empty())
                };
                ensure!(exchange.is_complete_success() && is_read, "{url}: {:?}", exchange.outcome);
                n += 1;
            }
            Ok(n)
        }));
    }
    let mut n = 0;
    for one in loops {
        n += one.await??;
    }
    Ok(Rate { n, wall: start.elapsed(), cpu: used(Of::ThisThread) - cpu })
}
