//! Language tags: ISO 639-1 and both forms of 639-2 are one language.

/// ISO 639-2 (bibliographic and terminological) to 639-1, for the languages of television.
const TWO_LETTERS: &[(&str, &str)] = &[
    ("afr", "af"),
    ("alb", "sq"),
    ("sqi", "sq"),
    ("ara", "ar"),
    ("arm", "hy"),
    ("hye", "hy"),
    ("aze", "az"),
    ("baq", "eu"),
    ("eus", "eu"),
    ("bel", "be"),
    ("ben", "bn"),
    ("bos", "bs"),
    ("bul", "bg"),
    ("bur", "my"),
    ("mya", "my"),
    ("cat", "ca"),
    ("chi", "zh"),
    ("zho", "zh"),
    ("cze", "cs"),
    ("ces", "cs"),
    ("dan", "da"),
    ("dut", "nl"),
    ("nld", "nl"),
    ("eng", "en"),
    ("est", "et"),
    ("fin", "fi"),
    ("fre", "fr"),
    ("fra", "fr"),
    ("geo", "ka"),
    ("kat", "ka"),
    ("ger", "de"),
    ("deu", "de"),
    ("gle", "ga"),
    ("glg", "gl"),
    ("gre", "el"),
    ("ell", "el"),
    ("guj", "gu"),
    ("heb", "he"),
    ("hin", "hi"),
    ("hrv", "hr"),
    ("hun", "hu"),
    ("ice", "is"),
    ("isl", "is"),
    ("ind", "id"),
    ("ita", "it"),
    ("jpn", "ja"),
    ("kan", "kn"),
    ("kaz", "kk"),
    ("khm", "km"),
    ("kor", "ko"),
    ("lao", "lo"),
    ("lav", "lv"),
    ("lit", "lt"),
    ("mac", "mk"),
    ("mkd", "mk"),
    ("mal", "ml"),
    ("mar", "mr"),
    ("may", "ms"),
    ("msa", "ms"),
    ("mlt", "mt"),
    ("mon", "mn"),
    ("nep", "ne"),
    ("nor", "no"),
    ("nob", "nb"),
    ("nno", "nn"),
    ("pan", "pa"),
    ("per", "fa"),
    ("fas", "fa"),
    ("pol", "pl"),
    ("por", "pt"),
    ("rum", "ro"),
    ("ron", "ro"),
    ("rus", "ru"),
    ("slo", "sk"),
    ("slk", "sk"),
    ("slv", "sl"),
    ("spa", "es"),
    ("srp", "sr"),
    ("swa", "sw"),
    ("swe", "sv"),
    ("tam", "ta"),
    ("tel", "te"),
    ("tgl", "tl"),
    ("tha", "th"),
    ("tur", "tr"),
    ("ukr", "uk"),
    ("urd", "ur"),
    ("uzb", "uz"),
    ("vie", "vi"),
    ("wel", "cy"),
    ("cym", "cy"),
    ("zul", "zu"),
];

/// Lower case, with the two-letter code where there is one: `FRA` and `fre` are `fr`, `spa-419` is `es-419`. Empty, `und` and
/// `qaa` (original, no matter which) are `und`.
pub fn normal_language(tag: &str) -> String {
    let tag = tag.trim().replace('_', "-").to_ascii_lowercase();
    let (primary, rest) = tag.split_once('-').map_or((tag.as_str(), ""), |(a, b)| (a, b));
    let primary = match primary {
        "" | "und" | "mis" | "zxx" | "qaa" => "und",
        other => TWO_LETTERS.iter().find(|(three, _)| *three == other).map_or(other, |(_, two)| two),
    };
    if rest.is_empty() { primary.to_owned() } else { format!("{primary}-{rest}") }
}

/// Same primary language; regions and scripts count only where both name them.
pub(crate) fn same_language(a: &str, b: &str) -> bool {
    let (a, b) = (normal_language(a), normal_language(b));
    let split =
        |tag: &str| tag.split_once('-').map_or((tag.to_owned(), None), |(p, r)| (p.to_owned(), Some(r.to_owned())));
    let ((a, a_rest), (b, b_rest)) = (split(&a), split(&b));
    a == b && a_rest.zip(b_rest).is_none_or(|(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_language_in_all_its_spellings() {
        for (a, b, same) in [
            ("fra", "fr", true),
            ("fre", "FR", true),
            ("deu", "fr", false),
            ("vie", "vi-VN", true),
            ("es-419", "es-ES", false),
            ("es-419", "spa", true),
            ("und", "", true),
            ("und", "en", false),
            ("xyz", "xyz", true),
        ] {
            assert_eq!(same_language(a, b), same, "{a} {b}");
        }
        assert_eq!(normal_language("SPA_419"), "es-419");
    }
}
