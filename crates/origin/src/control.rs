//! `/control/faults`: list, add and remove faults over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde::Serialize;

use crate::body::{OriginBody, Switch};
use crate::fault::{FaultError, FaultSpec};
use crate::respond::Origin;

const BODY_MAX: usize = 64 * 1024;

/// Problem body: what is wrong and, for a wrong value, a valid one.
#[derive(Serialize)]
struct Problem {
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<FaultError>,
}

impl Origin {
    /// Answers `/control...`.
    pub async fn control(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        switch: &Arc<Switch>,
    ) -> Response<OriginBody> {
        let (status, body) = self.decide(request, peer).await;
        let mut response = Response::new(OriginBody::new(body, switch.clone()));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    async fn decide(&self, request: Request<Incoming>, peer: SocketAddr) -> (StatusCode, Bytes) {
        if !self.config.control {
            return problem(StatusCode::NOT_FOUND, "control is off");
        }
        if !self.config.control_remote && !peer.ip().to_canonical().is_loopback() {
            return problem(StatusCode::FORBIDDEN, "control is only served over loopback; see control_remote");
        }
        let path = request.uri().path().trim_end_matches('/').to_owned();
        let id = path.strip_prefix("/control/faults/");
        match (request.method(), id) {
            (&Method::GET, None) if path == "/control/faults" => json(StatusCode::OK, &self.faults.list()),
            (&Method::DELETE, None) if path == "/control/faults" => {
                json(StatusCode::OK, &serde_json::json!({ "removed": self.faults.clear() }))
            }
            (&Method::DELETE, Some(id)) => match self.faults.remove(id) {
                true => json(StatusCode::OK, &serde_json::json!({ "removed": 1 })),
                false => problem(StatusCode::NOT_FOUND, "no fault of this id"),
            },
            (&Method::POST, None) if path == "/control/faults" => self.add(request).await,
            (_, None) if path == "/control/faults" => problem(StatusCode::METHOD_NOT_ALLOWED, "GET, POST or DELETE"),
            (_, Some(_)) => problem(StatusCode::METHOD_NOT_ALLOWED, "DELETE"),
            _ => problem(StatusCode::NOT_FOUND, "there is /control/faults and /control/faults/<id>"),
        }
    }

    async fn add(&self, request: Request<Incoming>) -> (StatusCode, Bytes) {
        // Not a type that a browser sends from a foreign page without asking first.
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        if !content_type.is_some_and(|t| t.starts_with("application/json")) {
            return problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type must be application/json");
        }
        let Ok(body) = Limited::new(request.into_body(), BODY_MAX).collect().await else {
            return problem(StatusCode::PAYLOAD_TOO_LARGE, "at most 64 KiB");
        };
        let spec: FaultSpec = match serde_json::from_slice(&body.to_bytes()) {
            Ok(spec) => spec,
            Err(e) => return problem(StatusCode::BAD_REQUEST, &e.to_string()),
        };
        match self.faults.add(spec) {
            Ok(id) => json(StatusCode::CREATED, &serde_json::json!({ "id": id })),
            Err(e) => json(StatusCode::UNPROCESSABLE_ENTITY, &Problem { error: e.to_string(), detail: Some(e) }),
        }
    }
}

fn problem(status: StatusCode, error: &str) -> (StatusCode, Bytes) {
    json(status, &Problem { error: error.into(), detail: None })
}

fn json(status: StatusCode, value: &impl Serialize) -> (StatusCode, Bytes) {
    (status, serde_json::to_vec(value).unwrap_or_default().into())
}
