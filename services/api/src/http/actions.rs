//! Actions on one object: `/api/v1/alarms/INC-7:ack`.
//!
//! The router takes a parameter only as a whole segment. So such a route is registered as `/api/v1/alarms/{number}/!ack`,
//! and the colon of a request becomes `/!` before it is routed. The document and the guard know the form with the colon.

use axum::Router;
use axum::extract::Request;
use axum::http::Uri;
use axum::middleware;

/// In the place of the colon.
const INNER: &str = "/!";

/// `/api/v1/alarms/{number}/!ack` -> `/api/v1/alarms/{number}:ack`.
pub fn outer(path: &str) -> String {
    path.replace(INNER, ":")
}

/// Routes behind the translation.
pub fn translated(routes: Router) -> Router {
    Router::new().fallback_service(routes).layer(middleware::map_request(async |mut request: Request| {
        if let Some(uri) = inner(request.uri()) {
            *request.uri_mut() = uri;
        }
        request
    }))
}

/// `None`: it has no action on one object.
fn inner(uri: &Uri) -> Option<Uri> {
    let (before, last) = uri.path().rsplit_once('/')?;
    let (name, action) = last.rsplit_once(':')?;
    let is_word = !action.is_empty() && action.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    // `/api/v1/alarms:ack` and `/api/v1/channels/vtv3/manifests:at` are paths like any other: names of objects come at
    // every second place.
    let n_before = before.split('/').count();
    if !is_word || name.is_empty() || n_before < 4 || n_before % 2 == 1 {
        return None;
    }
    let query = uri.query().map(|q| format!("?{q}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("{before}/{name}{INNER}{action}{query}").parse().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_actions_on_one_object_are_translated() {
        for (path, expected) in [
            ("/api/v1/alarms/INC-7:ack", Some("/api/v1/alarms/INC-7/!ack")),
            ("/api/v1/receivers/noc:test?x=a:b", Some("/api/v1/receivers/noc/!test?x=a:b")),
            ("/api/v1/alarms:ack", None),
            ("/api/v1/channels/vtv3/manifests:at", None),
            ("/api/v1/channels/vtv3/streams/main:probe", Some("/api/v1/channels/vtv3/streams/main/!probe")),
            ("/api/v1/alarms/INC-7", None),
            ("/api/v1/alarms/:ack", None),
            ("/api/v1/alarms/a:", None),
            ("/api/v1/evidence/sha256:00ff", None),
            ("/", None),
        ] {
            let found = inner(&path.parse().unwrap()).map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), expected, "{path}");
        }
        assert_eq!(outer("/api/v1/alarms/{number}/!ack"), "/api/v1/alarms/{number}:ack");
    }
}
