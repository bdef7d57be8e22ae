//! The HLS multivariant playlist (CHECKS 3.2).

mod authoring_attr_missing;
mod bandwidth_missing;
mod cc_none_inconsistent;
mod changed;
mod codecs_invalid;
mod codecs_missing;
mod define_unresolved;
mod duplicate_variant;
mod group_duplicate;
mod group_membership_differs;
mod group_unresolved;
mod iframe_missing;
mod media_attr_invalid;
mod parse_error;
mod session_key_mismatch;
mod video_range_inconsistent;

use ow_domain::Severity;

use crate::hls::grammar_breaches;
use crate::input::MvpDocument;
use crate::outcome::Outcome;
use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[
    &parse_error::CHECK,
    &define_unresolved::CHECK,
    &bandwidth_missing::CHECK,
    &group_unresolved::CHECK,
    &media_attr_invalid::CHECK,
    &group_duplicate::CHECK,
    &group_membership_differs::CHECK,
    &codecs_missing::CHECK,
    &codecs_invalid::CHECK,
    &authoring_attr_missing::CHECK,
    &cc_none_inconsistent::CHECK,
    &video_range_inconsistent::CHECK,
    &duplicate_variant::CHECK,
    &iframe_missing::CHECK,
    &session_key_mismatch::CHECK,
    &changed::CHECK,
];

/// One place of the document that breaks a rule.
struct Breach {
    /// 0 for the document as a whole.
    line: u32,
    severity: Severity,
    value: String,
    limit: String,
}

impl Breach {
    fn new(line: u32, severity: Severity, value: impl Into<String>, limit: impl Into<String>) -> Self {
        Self { line, severity, value: value.into(), limit: limit.into() }
    }
}

/// One evaluation of the document: the worst breach speaks, the others are counted. A malformed document is the business
/// of hls-mvp-parse-error alone.
fn tell(doc: &MvpDocument<'_>, out: &mut Outcome, breaches: Vec<Breach>) {
    if grammar_breaches(doc.issues).is_some() {
        out.unknown();
        return;
    }
    let n = breaches.len();
    let Some(worst) = breaches.into_iter().rev().max_by_key(|b| b.severity) else {
        out.pass();
        return;
    };
    let place = if worst.line > 0 { format!("line {}: ", worst.line) } else { String::new() };
    let message = format!("{place}{}; {} expected", worst.value, worst.limit);
    out.fail(worst.severity, worst.value, worst.limit, message).line(worst.line).fact("breaches", n);
}

/// Text of the playlist, short enough for a message.
fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Identity of a key, for comparison between playlists.
pub(crate) fn key_hash(key: &ow_hls::Key) -> u64 {
    let format = key.key_format.as_deref().unwrap_or("identity");
    let versions = key.key_format_versions.as_deref().unwrap_or("1");
    let uri = key.uri.as_deref().unwrap_or_default();
    crate::judge::short_hash(&format!("{}|{format}|{versions}|{uri}", key.method.as_str()))
}
