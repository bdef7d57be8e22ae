//! Reachability and transport: what the wire did (CHECKS 3.1).

pub(crate) mod body_not_media;
pub(crate) mod connect_failure;
pub(crate) mod dns_failure;
pub(crate) mod download_slow;
pub(crate) mod status_init;
pub(crate) mod status_manifest;
pub(crate) mod status_segment;
pub(crate) mod timeout;
pub(crate) mod tls_cert_expiry;
pub(crate) mod tls_failure;
pub(crate) mod truncated_body;

use ow_domain::Severity;

use crate::input::Load;

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
