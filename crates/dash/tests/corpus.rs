//! Documents kept: hand-written ones, and what fuzzing found.

mod common;

use std::path::PathBuf;

use ow_dash::{IssueFamily, MAX_ELEMENTS, MAX_SEGMENTS, parse, tracks};

#[test]
fn the_corpus_is_harmless() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut n = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let body = std::fs::read(&path).unwrap();
        common::exercise(&body);
        // Every prefix at a tag, too.
        for cut in body.iter().enumerate().filter(|(_, b)| **b == b'<').map(|(at, _)| at) {
            common::exercise(&body[..cut]);
        }
        n += 1;
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("good-") {
            let (document, issues) = parse(&body);
            assert!(document.as_mpd().is_some(), "{name}");
            assert!(
                !issues.iter().any(|i| matches!(
                    i.kind.family(),
                    IssueFamily::Parse | IssueFamily::Addressing | IssueFamily::Zero
                )),
                "{name}: {issues:?}"
            );
        }
    }
    assert!(n >= 8, "{n} documents");
}

#[test]
fn large_documents_stay_within_bounds() {
    let head = "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" profiles=\"p\" minBufferTime=\"PT1S\"><Period start=\"PT0S\"><AdaptationSet>\
                <SegmentTemplate media=\"$Time$\"><SegmentTimeline>";
    let tail =
        "</SegmentTimeline></SegmentTemplate><Representation id=\"a\" bandwidth=\"1\"/></AdaptationSet></Period></MPD>";
    let body = format!("{head}{}{tail}", "<S d=\"1\" r=\"99\"/>".repeat(20_000));
    let (document, issues) = parse(body.as_bytes());
    assert!(!issues.iter().any(|i| i.kind.family() == IssueFamily::Limit), "{issues:?}");
    let mpd = document.as_mpd().unwrap();
    assert_eq!(tracks(mpd, "http://h/")[0].segments(Default::default()).count() as u64, MAX_SEGMENTS);
    let body = format!("{head}{}{tail}", "<S/>".repeat(MAX_ELEMENTS + 1));
    let (_, issues) = parse(body.as_bytes());
    assert!(issues.iter().any(|i| i.kind.family() == IssueFamily::Limit));
}
