//! What holds for any input, and that reading undoes writing.

mod common;

use common::{any_mpd, exercise};
use ow_dash::{Document, diff, parse, resolve, write};
use proptest::prelude::*;

proptest! {
    #[test]
    fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
        exercise(&body);
    }

    #[test]
    fn no_tag_soup_panics(parts in prop::collection::vec(prop_oneof![
        3 => prop::sample::select(common::WORDS).prop_map(str::to_owned),
        1 => "[<>&\"'/=a-zA-Z0-9$% -]{0,8}",
    ], 0..80)) {
        exercise(format!("<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" {}", parts.concat()).as_bytes());
    }

    #[test]
    fn reading_undoes_writing(body in any_mpd()) {
        let (Document::Mpd(first), _) = parse(body.as_bytes()) else {
            return Err(TestCaseError::fail(body));
        };
        let text = write(&first);
        let (Document::Mpd(second), issues) = parse(text.as_bytes()) else {
            return Err(TestCaseError::fail(text));
        };
        prop_assert_eq!(&text, &write(&second), "{}", body);
        prop_assert!(diff(&first, &second).is_empty());
        // Nothing gets lost on the way to the writer: what was read of both breaks the same rules.
        let kinds = |issues: &[ow_dash::Issue]| issues.iter().map(|i| i.kind).collect::<Vec<_>>();
        prop_assert_eq!(kinds(&parse(body.as_bytes()).1), kinds(&issues), "{}", text);
    }

    #[test]
    fn mutations_of_an_mpd_do_not_panic(body in any_mpd(), edits in prop::collection::vec((any::<u16>(), any::<u8>()), 1..8)) {
        let mut bytes = body.into_bytes();
        for (at, byte) in edits {
            let at = usize::from(at) % bytes.len();
            bytes[at] = byte;
        }
        exercise(&bytes);
    }

    #[test]
    fn references_do_not_panic(base in "\\PC{0,30}", reference in "\\PC{0,30}") {
        let _ = resolve(&base, &reference);
        let _ = resolve(&format!("http://h/{base}"), &reference);
    }
}
