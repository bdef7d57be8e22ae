//! Mutates the corpus and looks for panics, for facts that depend on how the bytes were cut, and for lists without bound.
//!
//! `cargo run --release -p ow-media --example fuzz -- --for 60s [--seed 1] [--out DIR]`. Ends with 1 when it found something; the
//! input is written to DIR (the system's temporary directory by default).

use std::path::Path;
use std::process::ExitCode;

use ow_domain::facts::SegmentFacts;
use ow_fuzz::{Dice, Fuzz};
use ow_media::{InitFacts, SegmentParser};

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
    let whole = parse(bytes, init, || usize::MAX);
    let cut = parse(bytes, init, || 1 + dice.below(largest));
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

fn main() -> ExitCode {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    // Fragments are read with the facts of an initialization section.
    let init = std::fs::read(corpus.join("fragments.mp4")).expect("a fragmented file");
    let init = parse(&init, None, || usize::MAX).1;
    assert!(init.is_some(), "fragments.mp4 has an initialization section");
    Fuzz { corpus, words: &[], generate: None }.run(|bytes, dice| {
        let with_init = init.as_ref().filter(|_| dice.below(2) == 0);
        judge(bytes, with_init, dice).map(|facts| shape(&facts))
    })
}
