//! Playlists kept: hand-written ones, and what fuzzing found.

mod common;

use std::path::PathBuf;

use ow_hls::{Variables, parse};

#[test]
fn the_corpus_is_harmless() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut n = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "m3u8") {
            continue;
        }
        let body = std::fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // Every prefix, too: bodies are cut short by servers that die.
        for cut in 0..=body.len() {
            if let Err(wrong) = common::exercise(&body[..cut]) {
                panic!("{name}, first {cut} bytes: {wrong}");
            }
        }
        n += 1;
        if name.starts_with("good-") {
            let (_, issues) = parse(&body, Variables::default());
            assert!(issues.is_empty(), "{name}: {issues:?}");
        }
    }
    assert!(n >= 6, "{n} playlists");
}
