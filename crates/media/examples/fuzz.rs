//! Mutates the corpus and looks for panics, for facts that depend on how the bytes were cut, and for lists without bound.
//!
//! `cargo run --release -p ow-media --example fuzz -- --for 60s [--seed 1] [--out DIR]`. Ends with 1 when it found something; the
//! input is written to DIR (the system's temporary directory by default).

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ow_domain::facts::SegmentFacts;
use ow_media::{InitFacts, SegmentParser};

/// Inputs that showed something new are kept to start from.
const MAX_KEPT: usize = 512;
const MAX_INPUT: usize = 64 << 10;

/// xorshift: the same seed gives the same run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.next() % n as u64) as usize }
    }
}

fn parse(bytes: &[u8], init: Option<&InitFacts>, mut cut: impl FnMut() -> usize) -> (SegmentFacts, Option<InitFacts>) {
    let mut parser = SegmentParser::new(init);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(cut().clamp(1, rest.len()));
        parser.push(piece);
        rest = more;
    }
    parser.finish_with_init(true)
}

/// What is wrong with what the parser makes of these bytes.
fn judge(bytes: &[u8], init: Option<&InitFacts>, dice: &mut Dice) -> Result<SegmentFacts, String> {
    let largest = [7, 200, 3_000][dice.below(3)];
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let whole = parse(bytes, init, || usize::MAX);
        let cut = parse(bytes, init, || 1 + dice.below(largest));
        (whole, cut)
    }));
    let (whole, cut) = outcome.map_err(|_| "panic".to_owned())?;
    if whole != cut {
        return Err(format!("facts depend on the cuts:\n  {:?}\n  {:?}", whole.0, cut.0));
    }
    let facts = whole.0;
    if facts.issues.len() > 32 || facts.elementary.len() > ow_media::MAX_ELEMENTARY {
        return Err("a list without bound".to_owned());
    }
    Ok(facts)
}

/// What tells that an input led somewhere new: which facts there are, and how many in powers of two.
fn shape(facts: &SegmentFacts) -> String {
    let mut shape = format!("{:?} {}", facts.container, facts.n_issues.checked_ilog2().unwrap_or(99));
    for issue in &facts.issues {
        shape.push_str(&issue.kind);
    }
    for e in &facts.elementary {
        let n = e.n_access_units.checked_ilog2();
        shape.push_str(&format!(
            "{} {n:?} {} {} {}",
            e.codec,
            e.first_pts.is_some(),
            e.codec_string.is_some(),
            e.n_walk_errors.min(3)
        ));
    }
    if let Some(ts) = &facts.ts {
        shape.push_str(&format!(
            "{} {} {:?}",
            ts.sync_losses.min(3),
            ts.psi.n_programs,
            ts.pcr.map(|p| p.n_jumps.min(2))
        ));
    }
    shape
}

fn mutate(dice: &mut Dice, mut bytes: Vec<u8>, other: &[u8]) -> Vec<u8> {
    for _ in 0..1 + dice.below(6) {
        let n = bytes.len();
        let at = dice.below(n);
        // Headers matter most.
        let at = if dice.below(3) == 0 { at.min(dice.below(64)) } else { at };
        if n == 0 {
            bytes.extend_from_slice(other);
            continue;
        }
        match dice.below(9) {
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes[at] = dice.next() as u8,
            2 => bytes[at] = [0, 1, 0x47, 0x7f, 0x80, 0xff][dice.below(6)],
            3 => bytes.truncate(at),
            4 => {
                let end = (at + 1 + dice.below(400)).min(n);
                bytes.drain(at..end);
            }
            5 => {
                let end = (at + 1 + dice.below(400)).min(n);
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            6 => {
                let from = dice.below(other.len());
                let to = (from + dice.below(1_000)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            7 => {
                // A length or count that lies.
                let value = [0_u32, 1, 7, 0xff, 0x7fff_ffff, 0x8000_0000, u32::MAX][dice.below(7)];
                for (place, byte) in bytes[at..].iter_mut().zip(value.to_be_bytes()) {
                    *place = byte;
                }
            }
            _ => {
                let end = (at + dice.below(200)).min(n);
                bytes[at..end].fill(if dice.below(2) == 0 { 0 } else { 0xff });
            }
        }
    }
    bytes.truncate(MAX_INPUT);
    bytes
}

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let inputs = names.iter().filter(|name| name.extension().is_some_and(|e| e != "md"));
    inputs.map(|name| std::fs::read(name).unwrap()).collect()
}

fn option(name: &str) -> Option<String> {
    let arguments: Vec<String> = std::env::args().collect();
    let at = arguments.iter().position(|a| a == name)?;
    arguments.get(at + 1).cloned()
}

fn main() -> ExitCode {
    let time = option("--for").unwrap_or_else(|| "60s".to_owned());
    let time = Duration::from_secs(time.trim_end_matches('s').parse().expect("--for is a number of seconds, as 60s"));
    let seed: u64 = option("--seed").map_or(1, |s| s.parse().expect("--seed is a number"));
    let out = option("--out").map_or_else(std::env::temp_dir, PathBuf::from);
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut inputs = corpus();
    let n_corpus = inputs.len();
    // Fragments are read with the facts of an initialization section.
    let init = inputs.iter().find_map(|bytes| parse(bytes, None, || usize::MAX).1);
    let mut shapes = BTreeSet::new();
    let (start, mut n, mut n_bytes) = (Instant::now(), 0_u64, 0_u64);
    while start.elapsed() < time {
        let (base, other) = (dice.below(inputs.len()), dice.below(inputs.len()));
        let bytes = mutate(&mut dice, inputs[base].clone(), &inputs[other].clone());
        let with_init = init.as_ref().filter(|_| dice.next() & 1 == 0);
        n += 1;
        n_bytes += bytes.len() as u64;
        match judge(&bytes, with_init, &mut dice) {
            Err(what) => {
                let path = out.join(format!("ow-media-fuzz-{seed}-{n}"));
                std::fs::write(&path, &bytes).expect("the input is written");
                eprintln!("input {n}: {what}\nwritten to {}", path.display());
                return ExitCode::FAILURE;
            }
            Ok(facts) => {
                if inputs.len() < n_corpus + MAX_KEPT && shapes.insert(shape(&facts)) {
                    inputs.push(bytes);
                }
            }
        }
    }
    println!("{n} inputs, {} MB, {} shapes in {} s, nothing found", n_bytes >> 20, shapes.len(), time.as_secs());
    ExitCode::SUCCESS
}
