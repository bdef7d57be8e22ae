//! Reachability and transport: what the wire did (CHECKS 3.1).

mod address_partial;
mod auth_rejected;
mod body_not_media;
mod body_stall;
mod cache_control_manifest;
mod cache_error_long;
mod connect_failure;
mod connect_slow;
mod content_type;
mod cors_inconsistent;
mod cors_missing;
mod dns_failure;
mod dns_slow;
mod download_slow;
mod error_rate;
mod last_modified_stale;
mod mixed_scheme;
mod packager_header_stale;
mod range_unsupported;
mod redirect;
mod server_clock_skew;
mod stale_age;
mod status_init;
mod status_manifest;
mod status_segment;
mod throughput_below_bitrate;
mod timeout;
mod tls_cert_expiry;
mod tls_failure;
mod truncated_body;
mod ttfb_slow;

use ow_domain::Severity;

use crate::input::Load;
use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[
    &dns_failure::CHECK,
    &connect_failure::CHECK,
    &tls_failure::CHECK,
    &tls_cert_expiry::CHECK,
    &address_partial::CHECK,
    &auth_rejected::CHECK,
    &status_manifest::CHECK,
    &status_segment::CHECK,
    &status_init::CHECK,
    &timeout::CHECK,
    &truncated_body::CHECK,
    &body_not_media::CHECK,
    &download_slow::CHECK,
    &range_unsupported::CHECK,
    &redirect::CHECK,
    &mixed_scheme::CHECK,
    &content_type::CHECK,
    &cors_missing::CHECK,
    &cors_inconsistent::CHECK,
    &cache_control_manifest::CHECK,
    &cache_error_long::CHECK,
    &stale_age::CHECK,
    &last_modified_stale::CHECK,
    &packager_header_stale::CHECK,
    &server_clock_skew::CHECK,
    &dns_slow::CHECK,
    &connect_slow::CHECK,
    &ttfb_slow::CHECK,
    &body_stall::CHECK,
    &throughput_below_bitrate::CHECK,
    &error_rate::CHECK,
];

/// A host that serves the entry takes the whole stream down.
fn host_severity(load: &Load<'_>) -> Severity {
    if load.host_serves_entry { Severity::Critical } else { Severity::Major }
}

/// The request was never made, or ottwatch itself refused it: nothing is known of the origin.
pub(crate) fn is_ours(kind: ow_domain::capture::FailureKind) -> bool {
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
