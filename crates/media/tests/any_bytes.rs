//! Any bytes, cut in any way: no panic, bounded lists, the same facts.

use ow_domain::facts::SegmentFacts;
use ow_media::{InitFacts, SegmentParser};
use proptest::prelude::*;

fn parse(bytes: &[u8], cuts: &[usize], complete: bool) -> (SegmentFacts, Option<InitFacts>) {
    let mut parser = SegmentParser::new(None);
    let mut rest = bytes;
    for cut in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, more) = rest.split_at((*cut).clamp(1, rest.len()));
        parser.push(piece);
        rest = more;
    }
    parser.finish_with_init(complete)
}

/// Bytes that get past the sniffing: real beginnings with noise, and packets with good sync bytes.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let noise = || prop::collection::vec(any::<u8>(), 0..3_000);
    let packets =
        prop::collection::vec((0_u16..40, any::<bool>(), 0_u8..16, prop::collection::vec(any::<u8>(), 184)), 0..30)
            .prop_map(|packets| {
                packets
                    .into_iter()
                    .flat_map(|(pid, starts, cc, mut body)| {
                        let pid = if pid < 3 { pid } else { 0x100 + pid % 3 };
                        if starts && pid >= 0x100 {
                            body[..4].copy_from_slice(&[0, 0, 1, 0xe0]);
                        }
                        let head = [0x47, u8::from(starts) << 6 | (pid >> 8) as u8, pid as u8, 0x10 | cc];
                        head.into_iter().chain(body)
                    })
                    .collect()
            });
    let boxes = prop::collection::vec(
        (prop::sample::select(vec![*b"moof", *b"moov", *b"styp", *b"mdat", *b"free"]), 0_u32..300, noise()),
        1..8,
    )
    .prop_map(|boxes| {
        boxes
            .into_iter()
            .flat_map(|(kind, lie, body)| {
                let size = if lie < 280 { body.len() as u32 + 8 } else { lie };
                [&size.to_be_bytes()[..], &kind, &body].concat()
            })
            .collect()
    });
    let nested = prop::collection::vec(
        (
            prop::sample::select(vec![*b"tfhd", *b"tfdt", *b"trun", *b"mfhd", *b"tkhd", *b"mdhd", *b"hdlr", *b"trex"]),
            prop::collection::vec(any::<u8>(), 0..60),
        ),
        0..8,
    )
    .prop_map(|children| {
        let inner: Vec<u8> = children
            .into_iter()
            .flat_map(|(kind, body)| [&(body.len() as u32 + 8).to_be_bytes()[..], &kind, &body].concat())
            .collect();
        let wrap = |kind: &[u8; 4], body: &[u8]| [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat();
        [wrap(b"moof", &wrap(b"traf", &inner)), wrap(b"moov", &wrap(b"trak", &inner)), wrap(b"mdat", &[0; 9])].concat()
    });
    let prefixed = (
        prop::sample::select(vec![
            &b"ID3\x04\0\0\0\0\0\x0a"[..],
            b"\xff\xf1\x4c\x80\x02\x1f\xfc",
            b"\x0b\x77",
            b"WEBVTT\n",
            b"<html>",
        ]),
        noise(),
    )
        .prop_map(|(start, rest)| [start, &rest].concat());
    prop_oneof![noise(), packets, boxes, nested, prefixed]
}

proptest! {
    #[test]
    fn any_bytes_give_facts_that_do_not_depend_on_the_cuts(
        bytes in bytes(),
        cuts in prop::collection::vec(1_usize..700, 1..6),
        complete in any::<bool>(),
    ) {
        let whole = parse(&bytes, &[usize::MAX], complete);
        prop_assert_eq!(&parse(&bytes, &cuts, complete), &whole);
        prop_assert_eq!(&parse(&bytes, &[1], complete), &whole);
        let facts = whole.0;
        prop_assert!(facts.issues.len() <= 32 && facts.elementary.len() <= 16);
        prop_assert!(facts.n_issues as usize >= facts.issues.len());
    }
}
