//! Slack and a webhook receiver: they answer as the real ones do, keep what they got, and fail on request.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// An answer other than the usual one, for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpFault {
    /// 429 with `Retry-After` in seconds.
    RateLimited(u32),
    /// This status, with a short text.
    Status(u16),
    /// 200 with `{"ok": false, "error": ...}` (Slack).
    Error(&'static str),
    /// 302 to this place.
    Redirect(String),
}

impl HttpFault {
    fn response(self) -> Response {
        let status = |code: u16| StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        match self {
            Self::RateLimited(seconds) => {
                (status(429), [("retry-after", seconds.to_string())], "rate limited").into_response()
            }
            Self::Status(code) => (status(code), "fault").into_response(),
            Self::Error(code) => axum::Json(json!({"ok": false, "error": code})).into_response(),
            Self::Redirect(to) => (status(302), [("location", to)]).into_response(),
        }
    }
}

/// One call that Slack took.
#[derive(Debug, Clone)]
pub struct SlackCall {
    /// `chat.postMessage`, `chat.update` or `webhook`.
    pub method: String,
    pub body: Value,
    pub at: Instant,
}

struct SlackState {
    token: String,
    calls: Mutex<Vec<SlackCall>>,
    faults: Mutex<VecDeque<HttpFault>>,
}

/// Stands in for Slack's Web API and incoming webhooks.
pub struct SlackSink {
    address: SocketAddr,
    state: Arc<SlackState>,
    _task: AbortOnDropHandle<()>,
}

impl SlackSink {
    /// `token`: the bot token that calls must carry.
    pub async fn start(token: &str) -> Result<Self> {
        let state = Arc::new(SlackState { token: token.to_owned(), calls: Mutex::default(), faults: Mutex::default() });
        let router = Router::new()
            .route("/api/{method}", post(slack_call))
            .route("/services/{*path}", post(slack_webhook))
            .with_state(state.clone());
        let (address, task) = serve(router).await?;
        Ok(Self { address, state, _task: task })
    }

    /// For `api_url`.
    pub fn api_url(&self) -> String {
        format!("http://{}/api", self.address)
    }

    /// An incoming-webhook URL.
    pub fn webhook_url(&self) -> String {
        format!("http://{}/services/T000/B000/secret", self.address)
    }

    pub fn fail_next(&self, faults: impl IntoIterator<Item = HttpFault>) {
        self.state.faults.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
    }

    /// Calls that were taken, in order.
    pub fn calls(&self) -> Vec<SlackCall> {
        self.state.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub async fn wait(&self, what: &str, limit: Duration, enough: impl Fn(&[SlackCall]) -> bool) -> Vec<SlackCall> {
        super::until(what, limit, || {
            let calls = self.calls();
            if enough(&calls) { Ok(calls) } else { Err(format!("Slack has {calls:?}")) }
        })
        .await
    }
}

async fn slack_call(
    State(state): State<Arc<SlackState>>,
    Path(method): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(fault) = state.faults.lock().unwrap_or_else(PoisonError::into_inner).pop_front() {
        return fault.response();
    }
    let failed = |code: &'static str| HttpFault::Error(code).response();
    let Ok(body) = serde_json::from_slice::<Value>(&body) else { return failed("invalid_json") };
    let given = headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default();
    if given != format!("Bearer {}", state.token) {
        return failed("invalid_auth");
    }
    let mut calls = state.calls.lock().unwrap_or_else(PoisonError::into_inner);
    let posted = |ts: &Value| calls.iter().any(|c| c.method == "chat.postMessage" && c.body["_ts"] == *ts);
    let mut body = body;
    let answer = match method.as_str() {
        "chat.postMessage" if !body["channel"].is_string() => return failed("channel_not_found"),
        "chat.postMessage" if body["thread_ts"].is_string() && !posted(&body["thread_ts"]) => {
            return failed("message_not_found");
        }
        "chat.postMessage" => {
            let ts = format!("1795340467.{:06}", calls.len() + 1);
            body["_ts"] = json!(ts);
            json!({"ok": true, "channel": "C0000000001", "ts": ts, "message": {"text": body["text"]}})
        }
        "chat.update" if !posted(&body["ts"]) => return failed("message_not_found"),
        "chat.update" => json!({"ok": true, "channel": body["channel"], "ts": body["ts"]}),
        _ => return failed("unknown_method"),
    };
    calls.push(SlackCall { method, body, at: Instant::now() });
    axum::Json(answer).into_response()
}

async fn slack_webhook(State(state): State<Arc<SlackState>>, Path(path): Path<String>, body: Bytes) -> Response {
    if let Some(fault) = state.faults.lock().unwrap_or_else(PoisonError::into_inner).pop_front() {
        return fault.response();
    }
    if path != "T000/B000/secret" {
        return (StatusCode::NOT_FOUND, "no_service").into_response();
    }
    let Ok(body) = serde_json::from_slice(&body) else {
        return (StatusCode::BAD_REQUEST, "invalid_payload").into_response();
    };
    let call = SlackCall { method: "webhook".to_owned(), body, at: Instant::now() };
    state.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    "ok".into_response()
}

/// One request that the webhook receiver took.
#[derive(Debug, Clone)]
pub struct WebhookRequest {
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// As it came, for checking a signature.
    pub raw: Vec<u8>,
    pub body: Value,
}

#[derive(Default)]
struct WebhookState {
    requests: Mutex<Vec<WebhookRequest>>,
    faults: Mutex<VecDeque<HttpFault>>,
}

/// Takes any POST at `/hook`.
pub struct WebhookSink {
    address: SocketAddr,
    state: Arc<WebhookState>,
    _task: AbortOnDropHandle<()>,
}

impl WebhookSink {
    pub async fn start() -> Result<Self> {
        let state = Arc::new(WebhookState::default());
        let router = Router::new().route("/hook", post(hook)).with_state(state.clone());
        let (address, task) = serve(router).await?;
        Ok(Self { address, state, _task: task })
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub fn fail_next(&self, faults: impl IntoIterator<Item = HttpFault>) {
        self.state.faults.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
    }

    pub fn requests(&self) -> Vec<WebhookRequest> {
        self.state.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub async fn wait(
        &self,
        what: &str,
        limit: Duration,
        enough: impl Fn(&[WebhookRequest]) -> bool,
    ) -> Vec<WebhookRequest> {
        super::until(what, limit, || {
            let requests = self.requests();
            if enough(&requests) { Ok(requests) } else { Err(format!("the webhook receiver has {requests:?}")) }
        })
        .await
    }
}

async fn hook(State(state): State<Arc<WebhookState>>, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(fault) = state.faults.lock().unwrap_or_else(PoisonError::into_inner).pop_front() {
        return fault.response();
    }
    let headers = headers.iter().map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned()));
    let request = WebhookRequest {
        headers: headers.collect(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        raw: body.to_vec(),
    };
    state.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    StatusCode::NO_CONTENT.into_response()
}

async fn serve(router: Router) -> Result<(SocketAddr, AbortOnDropHandle<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let task = tokio::spawn(async move {
        let _ = axum::serve(listener, router).await;
    });
    Ok((address, AbortOnDropHandle::new(task)))
}
