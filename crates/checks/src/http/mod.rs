//! Reachability and transport: what the wire did (CHECKS 3.1).

mod body_not_media;
mod connect_failure;
mod dns_failure;
mod download_slow;
mod status_init;
mod status_manifest;
mod status_segment;
mod timeout;
mod tls_cert_expiry;
mod tls_failure;
mod truncated_body;

use ow_domain::Severity;

use crate::input::Load;
use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[
    &dns_failure::CHECK,
    &connect_failure::CHECK,
    &tls_failure::CHECK,
    &tls_cert_expiry::CHECK,
    &status_manifest::CHECK,
    &status_segment::CHECK,
    &status_init::CHECK,
    &timeout::CHECK,
    &truncated_body::CHECK,
    &body_not_media::CHECK,
    &download_slow::CHECK,
];

/// A host that serves the entry takes the whole stream down.
fn host_severity(load: &Load<'_>) -> Severity {
    if load.host_serves_entry { Severity::Critical } else { Severity::Major }
}

/// The request was never made, or ottwatch itself refused it: nothing is known of the origin.
fn is_ours(kind: ow_domain::capture::FailureKind) -> bool {
    use ow_domain::capture::FailureKind as K;
    matches!(kind, K::AddressForbidden | K::BadUrl | K::OverBudget)
}

/// `4xx`, `5xx` or the like of a status that is no success.
fn status_reason(status: u16) -> &'static str {
    match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500..=599 => "5xx",
        _ => "other",
    }
}
