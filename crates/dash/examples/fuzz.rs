//! Mutates MPDs and asserts what holds for any input: `cargo run -p ow-dash --example fuzz -- --for 60s [--seed 1] [--out FOLDER]`.
//!
//! Starts from the corpus in `tests/corpus` and from generated documents. What broke something belongs into the corpus, which
//! the tests replay from then on.

#[path = "../tests/common/mod.rs"]
mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use ow_fuzz::Fuzz;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

fn main() -> ExitCode {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut runner = TestRunner::default();
    let mut fresh = || common::any_mpd().new_tree(&mut runner).expect("a document").current().into_bytes();
    Fuzz { corpus, words: common::WORDS, generate: Some(&mut fresh) }.run(|body, _| {
        common::exercise(body);
        let kinds: BTreeSet<String> = ow_dash::parse(body).1.iter().map(|issue| format!("{:?}", issue.kind)).collect();
        Ok(format!("{kinds:?}"))
    })
}
