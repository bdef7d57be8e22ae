//! The segment parser alone, fed in pieces as they come from a socket, and the digest that every body gets beside it.

use std::time::{Duration, Instant};

use ow_media::SegmentParser;
use ring::digest::{Context, SHA256};

use crate::cpu::{Of, used};
use crate::objects::Object;

const PIECE_BYTES: usize = 64 << 10;

/// CPU time for one segment.
pub fn parse(object: &Object, time: Duration) -> Duration {
    each(time, || {
        let mut parser = SegmentParser::new(object.init.as_ref());
        for piece in object.bytes.chunks(PIECE_BYTES) {
            parser.push(piece);
        }
        std::hint::black_box(parser.finish(true));
    })
}

/// CPU time for the SHA-256 of one segment.
pub fn digest(object: &Object, time: Duration) -> Duration {
    each(time, || {
        let mut context = Context::new(&SHA256);
        for piece in object.bytes.chunks(PIECE_BYTES) {
            context.update(piece);
        }
        std::hint::black_box(context.finish());
    })
}

fn each(time: Duration, mut work: impl FnMut()) -> Duration {
    let (cpu, start, mut n) = (used(Of::ThisThread), Instant::now(), 0_u32);
    while start.elapsed() < time {
        work();
        n += 1;
    }
    (used(Of::ThisThread) - cpu) / n.max(1)
}
