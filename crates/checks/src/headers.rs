//! What response headers say of age and freshness (RFC 9111).

use ow_domain::capture::Exchange;
use ow_domain::{Span, Time};

/// Freshness lifetime that a shared cache may use: s-maxage, else max-age, else Expires minus Date. `None` when nothing
/// is said; `no-store` and `no-cache` are zero.
pub(crate) fn freshness(exchange: &Exchange) -> Option<Span> {
    let control = exchange.header("cache-control").unwrap_or_default();
    if directive(control, "no-store").is_some() || directive(control, "no-cache").is_some() {
        return Some(Span::ZERO);
    }
    let seconds = |name: &str| directive(control, name)?.trim_matches('"').parse::<u32>().ok();
    if let Some(age) = seconds("s-maxage").or_else(|| seconds("max-age")) {
        return Some(Span::from_secs(i64::from(age)));
    }
    let expires = exchange.header("expires")?;
    let date = date(exchange)?;
    // "Expires: 0" and the like mean already expired.
    Some(Time::parse_http_date(expires).map_or(Span::ZERO, |at| (at - date).max(Span::ZERO)))
}

/// The answer may be used although it is stale (RFC 5861).
pub(crate) fn may_be_stale(exchange: &Exchange) -> bool {
    let control = exchange.header("cache-control").unwrap_or_default();
    ["stale-while-revalidate", "stale-if-error"].iter().any(|name| directive(control, name).is_some())
}

pub(crate) fn age(exchange: &Exchange) -> Option<Span> {
    exchange.header("age")?.trim().parse::<u32>().ok().map(|s| Span::from_secs(i64::from(s)))
}

pub(crate) fn date(exchange: &Exchange) -> Option<Time> {
    exchange.header("date").and_then(Time::parse_http_date)
}

/// A blocking playlist reload of LL-HLS: its URL is its own.
pub(crate) fn is_blocking(exchange: &Exchange) -> bool {
    exchange.url.split_once('?').is_some_and(|(_, query)| query.contains("_HLS_msn="))
}

/// Value of a directive of Cache-Control, empty when it has none.
fn directive<'a>(control: &'a str, name: &str) -> Option<&'a str> {
    control.split(',').find_map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
