//! Names made of titles: `VTV3 HD Thể thao` -> `vtv3-hd-the-thao`.

use std::collections::{BTreeMap, BTreeSet};

/// Longest name, as in `ow_domain::Slug`.
const MAX: usize = 63;

/// Letters with marks, by what is left without them. Combining marks (U+0300 to U+036F) are left out as well.
const FOLDS: &[(&str, &str)] = &[
    ("a", "àáảãạăằắẳẵặâầấẩẫậäåāą"),
    ("ae", "æ"),
    ("c", "çćč"),
    ("d", "đðď"),
    ("e", "èéẻẽẹêềếểễệëēęě"),
    ("i", "ìíỉĩịîïī"),
    ("l", "ł"),
    ("n", "ñńň"),
    ("o", "òóỏõọôồốổỗộơờớởỡợöøō"),
    ("oe", "œ"),
    ("r", "ř"),
    ("s", "śšș"),
    ("ss", "ß"),
    ("t", "ťț"),
    ("u", "ùúủũụưừứửữựûüūů"),
    ("y", "ỳýỷỹỵÿ"),
    ("z", "źžż"),
    ("plus", "+"),
];

/// A name of `a-z`, `0-9` and `-` like `text`; empty when nothing of it can be in a name.
pub fn folded(text: &str) -> String {
    let mut out = String::new();
    let mut gap = false;
    for c in text.chars().take(512).flat_map(char::to_lowercase) {
        if ('\u{300}'..='\u{36f}').contains(&c) {
            continue;
        }
        let mut ascii = [0_u8; 4];
        let letters: &str = if c.is_ascii_lowercase() || c.is_ascii_digit() {
            c.encode_utf8(&mut ascii)
        } else {
            FOLDS.iter().find(|(_, marked)| marked.contains(c)).map_or("", |(plain, _)| plain)
        };
        if letters.is_empty() || c == '+' {
            gap = !out.is_empty();
        }
        if letters.is_empty() {
            continue;
        }
        if gap {
            out.push('-');
            gap = false;
        }
        if out.len() + letters.len() > MAX {
            break;
        }
        out.push_str(letters);
    }
    while out.ends_with('-') {
        out.pop();
    }
    out
}

/// Gives each name once.
#[derive(Debug, Default)]
pub struct Names {
    given: BTreeSet<String>,
    /// The last number that was given to a name.
    numbers: BTreeMap<String, usize>,
}

impl Names {
    /// `name`, or with the next free number behind it: `vtv3-2`.
    pub fn unique(&mut self, name: String) -> String {
        if self.given.insert(name.clone()) {
            return name;
        }
        let number = self.numbers.entry(name.clone()).or_insert(1);
        loop {
            *number += 1;
            let suffix = format!("-{number}");
            let kept: String = name.chars().take(MAX - suffix.len()).collect();
            let candidate = format!("{}{suffix}", kept.trim_end_matches('-'));
            if self.given.insert(candidate.clone()) {
                return candidate;
            }
        }
    }
}
