//! Mutates playlists and asserts what holds for any input: `cargo run -p ow-hls --example fuzz -- --for 60s [--seed 1] [--out FOLDER]`.

#[path = "../tests/common/mod.rs"]
mod common;

use std::path::Path;
use std::process::ExitCode;

use ow_fuzz::Fuzz;

fn main() -> ExitCode {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    Fuzz { corpus, words: common::WORDS, generate: None }.run(|body, _| common::exercise(body))
}
