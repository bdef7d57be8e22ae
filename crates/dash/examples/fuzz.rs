//! Mutates MPDs for a while and asserts what holds for any input: `cargo run -p ow-dash --example fuzz -- --for 60s`.
//!
//! Starts from the corpus in `tests/corpus` and from generated documents. A body that breaks something is written to
//! `tests/corpus/found-<digest>.mpd`, which the tests replay from then on.

#[path = "../tests/common/mod.rs"]
mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut length = Duration::from_secs(60);
    while let Some(argument) = arguments.next() {
        let seconds = arguments.next().and_then(|text| text.trim_end_matches('s').parse().ok());
        match (argument.as_str(), seconds) {
            ("--for", Some(seconds)) => length = Duration::from_secs(seconds),
            _ => {
                eprintln!("usage: fuzz [--for SECONDSs]");
                std::process::exit(2);
            }
        }
    }
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut bodies: Vec<Vec<u8>> = std::fs::read_dir(&folder)
        .expect("the corpus")
        .filter_map(|entry| std::fs::read(entry.ok()?.path()).ok())
        .collect();
    let mut runner = TestRunner::default();
    let started = Instant::now();
    let mut random = Random(started.elapsed().as_nanos() as u64 ^ u64::from(std::process::id()) << 32 | 1);
    let (mut n_runs, mut n_found) = (0_u64, 0);
    while started.elapsed() < length {
        if n_runs % 64 == 0 {
            let fresh = common::any_mpd().new_tree(&mut runner).expect("a document").current();
            let place = random.below(bodies.len() + 1);
            // The corpus grows to a bound, then newer documents take the place of older ones.
            match bodies.get_mut(place) {
                Some(old) if n_runs > 64 * 512 => *old = fresh.into_bytes(),
                _ => bodies.push(fresh.into_bytes()),
            }
        }
        let mut body = bodies[random.below(bodies.len())].clone();
        for _ in 0..=random.below(6) {
            mutate(&mut body, &bodies, &mut random);
        }
        n_runs += 1;
        if catch_unwind(AssertUnwindSafe(|| common::exercise(&body))).is_err() {
            n_found += 1;
            let digest =
                body.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
            let path = folder.join(format!("found-{digest:016x}.mpd"));
            std::fs::write(&path, &body).expect("a place for what was found");
            eprintln!("found {}", path.display());
            if n_found == 10 {
                break;
            }
        }
    }
    println!("{n_runs} documents in {:.0} s, {n_found} findings", started.elapsed().as_secs_f64());
    std::process::exit(i32::from(n_found > 0));
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Numbers at the ends of types, and texts that mean something.
const VALUES: &[&str] = &[
    "0",
    "-1",
    "1",
    "18446744073709551615",
    "9223372036854775807",
    "-9223372036854775808",
    "4294967296",
    "INF",
    "NaN",
    "PT0S",
    "P1Y",
    "PT1000000000000S",
    "9999-12-31T23:59:59Z",
    "0000-01-01T00:00:00-14:00",
    "$",
    "$Number%099d$",
    "&#0;",
    "&x;",
];

fn mutate(body: &mut Vec<u8>, bodies: &[Vec<u8>], random: &mut Random) {
    if body.is_empty() {
        body.extend_from_slice(&bodies[random.below(bodies.len())]);
        return;
    }
    let at = random.below(body.len());
    let end = (at + random.below(200)).min(body.len());
    match random.below(8) {
        0 => body[at] = random.next() as u8,
        1 => body[at] ^= 1 << random.below(8),
        2 => _ = body.drain(at..end),
        3 => {
            let piece = body[at..end].to_vec();
            let to = random.below(body.len());
            body.splice(to..to, piece);
        }
        4 => {
            // The value of an attribute.
            let Some(start) = body[at..].iter().position(|b| *b == b'"').map(|n| at + n + 1) else { return };
            let Some(stop) = body[start..].iter().position(|b| *b == b'"').map(|n| start + n) else { return };
            body.splice(start..stop, VALUES[random.below(VALUES.len())].bytes());
        }
        5 => {
            let word = common::WORDS[random.below(common::WORDS.len())];
            body.splice(at..at, word.bytes());
        }
        6 => {
            let other = &bodies[random.below(bodies.len())];
            let from = random.below(other.len());
            let to = (from + random.below(400)).min(other.len());
            body.splice(at..at, other[from..to].iter().copied());
        }
        _ => body.truncate(at),
    }
    body.truncate(64 << 10);
}
