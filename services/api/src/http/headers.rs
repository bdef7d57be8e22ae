//! Headers of every answer: what browsers may do with it, and pages of which origins may read it.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};

const NO_PAGE: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
/// Two years, as browsers' preload lists want it.
const HSTS: &str = "max-age=63072000";
const MAY_SEND: &str = "authorization, content-type, idempotency-key, if-match, if-none-match, last-event-id, \
    x-csrf-token, x-request-id";
const MAY_READ: &str = "etag, location, retry-after, ratelimit, ratelimit-policy, idempotency-replayed, x-request-id";

/// Headers that hold for all answers; a route that set one of them itself keeps it.
pub fn secure(headers: &mut HeaderMap, is_tls: bool) {
    let all = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, NO_PAGE),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in all {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if is_tls {
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(HeaderValue::from_static(HSTS));
    }
}

/// CORS for the origins that are named, and for no other. `Allow` of an answer to OPTIONS says what a preflight asks.
pub fn cross_origin(origins: &[String], method: &Method, asked: &HeaderMap, headers: &mut HeaderMap) {
    if origins.is_empty() {
        return;
    }
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    let Some(origin) = asked.get(header::ORIGIN) else { return };
    if !origins.iter().any(|known| known.as_bytes() == origin.as_bytes()) {
        return;
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(MAY_READ));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
    if method == Method::OPTIONS
        && asked.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        && let Some(allow) = headers.get(header::ALLOW).cloned()
    {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, allow);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(MAY_SEND));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preflight(origin: &str) -> HeaderMap {
        let asked = HeaderMap::from_iter([
            (header::ORIGIN, HeaderValue::from_str(origin).unwrap()),
            (header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("PUT")),
        ]);
        let mut headers = HeaderMap::from_iter([(header::ALLOW, HeaderValue::from_static("GET, PUT"))]);
        cross_origin(&["https://noc.example.com".to_owned()], &Method::OPTIONS, &asked, &mut headers);
        headers
    }

    #[test]
    fn only_pages_of_named_origins_may_read() {
        let headers = preflight("https://noc.example.com");
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://noc.example.com");
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_METHODS], "GET, PUT");
        for other in ["https://noc.example.com.evil", "http://noc.example.com", "null", "https://NOC.example.com"] {
            let headers = preflight(other);
            assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN), "{other}");
            assert_eq!(headers[header::VARY], "origin");
        }
        let mut headers = HeaderMap::new();
        cross_origin(&[], &Method::GET, &HeaderMap::new(), &mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn a_page_of_ours_keeps_its_own_policy() {
        let own = HeaderValue::from_static("default-src 'self'");
        let mut headers = HeaderMap::from_iter([(header::CONTENT_SECURITY_POLICY, own.clone())]);
        secure(&mut headers, false);
        assert_eq!(headers[header::CONTENT_SECURITY_POLICY], own);
        assert_eq!(headers[header::X_FRAME_OPTIONS], "DENY");
        assert!(!headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
        secure(&mut headers, true);
        assert!(headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
    }
}
