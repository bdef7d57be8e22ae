//! One DASH MPD (CHECKS 3.6).

mod addressing_invalid;
mod ast_missing;
mod attr_missing;
mod baseurl_unresolvable;
mod id_missing;
mod location_changed;
mod mup_missing;
mod mup_tiny;
mod parse_error;
mod publishtime_missing;
mod rep_id_duplicate;
mod s_duration_exceeds_max;
mod schema;
mod static_unexpected;
mod timescale_missing;
mod tsbd_invalid;
mod utctiming_missing;
mod utctiming_scheme;
mod zero_attribute;

use ow_dash::{Issue, IssueFamily};
use ow_domain::Severity;

use crate::input::MpdLoad;
use crate::outcome::{At, Outcome};
use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[
    &parse_error::CHECK,
    &static_unexpected::CHECK,
    &zero_attribute::CHECK,
    &addressing_invalid::CHECK,
    &rep_id_duplicate::CHECK,
    &baseurl_unresolvable::CHECK,
    &ast_missing::CHECK,
    &publishtime_missing::CHECK,
    &mup_missing::CHECK,
    &tsbd_invalid::CHECK,
    &utctiming_missing::CHECK,
    &utctiming_scheme::CHECK,
    &id_missing::CHECK,
    &s_duration_exceeds_max::CHECK,
    &timescale_missing::CHECK,
    &mup_tiny::CHECK,
    &schema::CHECK,
    &attr_missing::CHECK,
    &location_changed::CHECK,
];

/// Judges a rule of which the parser found the breaches: fails with the first, passes without one. A document that
/// could not be read to its end says nothing about rules.
fn by_issues(load: &MpdLoad<'_>, family: IssueFamily, severity: Severity, out: &mut Outcome) {
    if !load.is_complete() {
        out.unknown();
        return;
    }
    let mut breaches = load.issues.iter().filter(|issue| issue.kind.family() == family);
    match breaches.next() {
        None => {
            out.pass();
        }
        Some(first) => {
            let n = 1 + breaches.count();
            report(first, severity, out).fact("breaches", n);
        }
    }
}

/// One breach as a finding: what is there, and what was expected.
fn report<'o>(issue: &Issue, severity: Severity, out: &'o mut Outcome) -> At<'o> {
    let subject = clip(&issue.subject, 80);
    let value = if issue.found.is_empty() { "missing" } else { clip(&issue.found, 60) };
    let limit = if issue.expected.is_empty() { "a valid MPD" } else { clip(&issue.expected, 80) };
    let message = format!("line {}: {subject} is {value}; {limit} expected", issue.at.line);
    out.fail(severity, value, limit, message).line(issue.at.line)
}

/// The start of a text, at most `bytes` long.
fn clip(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
