//! What holds for all routes: real connections, plain and TLS.

use std::time::Duration;

use ow_api::{Anonymous, ApiConfig, Deps, TlsConfig, serve};
use ow_service::{HumanBytes, HumanDuration, Ops};
use ow_testkit::{DEADLINE, eventually, test_bus, test_store};
use reqwest::{Client, Method, Response};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// SHA-256 of `test`.
const TOKEN_HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

struct Api {
    base: String,
    client: Client,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Api {
    async fn start(config: ApiConfig) -> Self {
        let (bus, store) = (test_bus().await.unwrap(), test_store().await.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if config.tls.cert_file.is_some() { "https" } else { "http" };
        let base = format!("{scheme}://localhost:{}", listener.local_addr().unwrap().port());
        let shutdown = CancellationToken::new();
        let config = ApiConfig { token_sha256: TOKEN_HASH.into(), ..config };
        let deps = Deps { bus, store, ops: Ops::default() };
        let stop = shutdown.clone();
        let task = tokio::spawn(async move { serve(listener, config, deps, stop).await.unwrap() });
        Self { base, client: client(&[]), shutdown, task }
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth("test")
    }

    async fn send(&self, method: &str, path: &str) -> Response {
        self.request(method, path).send().await.unwrap()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

/// Trusts these certificates (PEM) and no others.
fn client(trusted: &[&str]) -> Client {
    // Without a provider reqwest refuses to be built, also for plain HTTP.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let trusted = trusted.iter().map(|pem| reqwest::Certificate::from_pem(pem.as_bytes()).unwrap());
    // Each request on a connection of its own.
    Client::builder().no_proxy().pool_max_idle_per_host(0).tls_certs_only(trusted).build().unwrap()
}

/// Status and code of a problem, which must be complete.
async fn problem(response: Response) -> (u16, String) {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    assert_eq!(headers["content-type"], "application/problem+json");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["status"], status);
    assert_eq!(body["request_id"].as_str().unwrap(), headers["x-request-id"].to_str().unwrap());
    assert!(body["instance"].as_str().unwrap().starts_with('/'), "{body}");
    assert_eq!(body["type"], format!("urn:ottwatch:problem:{}", body["code"].as_str().unwrap()));
    (status, body["code"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_told_with_the_right_status() {
    let api = Api::start(ApiConfig { max_body: HumanBytes(2048), ..ApiConfig::default() }).await;
    let apply = "/api/v1/config:apply";
    for (method, path, header, body, expected) in [
        ("GET", "/api/v1/nothing", None, "", (404, "not-found")),
        ("GET", "/", None, "", (404, "not-found")),
        ("DELETE", "/api/v1/channels", None, "", (405, "method-not-allowed")),
        ("TRACE", "/api/v1/health", None, "", (405, "method-not-allowed")),
        ("GET", "/api/v1/channels", Some(("accept", "text/html")), "", (406, "not-acceptable")),
        ("POST", apply, Some(("content-type", "text/csv")), "{}", (415, "unsupported-media-type")),
        ("POST", apply, Some(("content-type", "application/yaml")), "x: [", (422, "invalid-documents")),
        ("POST", apply, None, &"x".repeat(4096), (413, "body-too-large")),
        ("GET", "/api/v1/channels?fields=a%20b", None, "", (400, "invalid-query")),
        ("GET", "/api/v1/channels?q=%00", None, "", (400, "invalid-query")),
        ("GET", &format!("/api/v1/channels?q={}", "x".repeat(9000)), None, "", (414, "uri-too-long")),
        ("GET", "/api/v1/channels/%FF", None, "", (404, "not-found")),
    ] {
        let mut request = api.request(method, path).body(body.to_owned());
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let (status, code) = problem(request.send().await.unwrap()).await;
        assert_eq!((status, code.as_str()), expected, "{method} {path:.60}");
    }
    let refused = api.send("PUT", "/api/v1/channels").await;
    assert!(refused.headers()["allow"].to_str().unwrap().starts_with("GET, "), "{:?}", refused.headers());
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_the_headers_that_protect() {
    let origins = vec!["https://noc.example.com".to_owned()];
    let api = Api::start(ApiConfig { cors_origins: origins, ..ApiConfig::default() }).await;
    for (method, path) in [("GET", "/api/v1/health"), ("GET", "/nothing"), ("HEAD", "/api/v1/channels")] {
        let response = api.request(method, path).header("x-request-id", "proxy-0001").send().await.unwrap();
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("x-request-id", "proxy-0001"),
            ("vary", "origin"),
        ] {
            assert_eq!(response.headers()[name], value, "{method} {path}");
        }
        assert!(response.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
        assert!(!response.headers().contains_key("strict-transport-security"), "not over plain HTTP");
    }
    let head = api.send("HEAD", "/api/v1/channels").await;
    assert_eq!((head.status().as_u16(), head.text().await.unwrap().as_str()), (200, ""));
    let options = api.send("OPTIONS", "/api/v1/config:apply").await;
    assert_eq!((options.status().as_u16(), &options.headers()["allow"]), (204, &"POST, OPTIONS".parse().unwrap()));

    // A browser asks without a token first.
    let preflight = |origin: &'static str| {
        let request = api.client.request(Method::OPTIONS, format!("{}/api/v1/config:apply", api.base));
        request.header("origin", origin).header("access-control-request-method", "POST").send()
    };
    let allowed = preflight("https://noc.example.com").await.unwrap();
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://noc.example.com");
    assert_eq!(allowed.headers()["access-control-allow-methods"], "POST, OPTIONS");
    let refused = preflight("https://evil.example.com").await.unwrap();
    assert!(!refused.headers().contains_key("access-control-allow-origin"));
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_is_told_when_to_come_back_and_others_are_not() {
    let config = ApiConfig { rate_limit: 1, rate_burst: 3, anonymous: Anonymous::Viewer, ..ApiConfig::default() };
    let api = Api::start(config).await;
    let anonymous = || api.client.get(format!("{}/api/v1/channels", api.base)).send();
    let first = anonymous().await.unwrap();
    assert_eq!(first.status(), 200);
    assert_eq!(first.headers()["ratelimit-policy"], "\"default\";q=3;w=3");
    assert!(first.headers()["ratelimit"].to_str().unwrap().starts_with("\"default\";r=2;"));
    let mut last = first;
    for _ in 0..8 {
        last = anonymous().await.unwrap();
        if last.status() != 200 {
            break;
        }
    }
    let wait: u64 = last.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=3).contains(&wait), "{wait}");
    assert_eq!(problem(last).await, (429, "too-many-requests".to_owned()));
    assert_eq!(api.send("GET", "/api/v1/channels").await.status(), 200, "the installation's own token");
    // Guessing tokens counts against the address.
    let guess = api.client.get(format!("{}/api/v1/channels", api.base)).bearer_auth("guess").send().await.unwrap();
    assert_eq!(guess.status(), 429);
    api.stop().await;
}

/// Writes to a raw connection and gives all that comes back until it is closed.
async fn raw(api: &Api, text: &str) -> String {
    let port = api.base.rsplit(':').next().unwrap();
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_no_client_makes_end_the_connection_not_the_service() {
    let api = Api::start(ApiConfig::default()).await;
    let many: String = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect();
    for (text, expected) in [
        (format!("GET /api/v1/health HTTP/1.1\r\nhost: x\r\n{many}\r\n"), "HTTP/1.1 431"),
        (
            format!("GET /api/v1/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx: {}\r\n\r\n", "a".repeat(80_000)),
            "HTTP/1.1 431",
        ),
        ("nonsense\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        ("GET /api/v1/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned(), "HTTP/1.1 200"),
    ] {
        let answer = raw(&api, &text).await;
        assert!(answer.starts_with(expected), "{:.60}: {:.200}", text, answer);
    }
    assert_eq!(api.send("GET", "/api/v1/health").await.status(), 200);
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_when_all_places_are_taken_waits_and_a_stop_does_not() {
    let config = ApiConfig {
        max_connections: 1,
        request_timeout: HumanDuration(Duration::from_secs(1)),
        ..ApiConfig::default()
    };
    let api = Api::start(config).await;
    let port = api.base.rsplit(':').next().unwrap();
    let idle = TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap();
    let mut second = Box::pin(api.send("GET", "/api/v1/health"));
    let early = tokio::time::timeout(Duration::from_millis(300), second.as_mut()).await;
    assert!(early.is_err(), "the one place is taken");
    drop(idle);
    assert_eq!(second.await.status(), 200);
    // An open connection without a request does not hold the end up.
    let _idle = TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap();
    tokio::time::timeout(DEADLINE, api.stop()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_served_and_a_new_certificate_is_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let (cert_file, key_file) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    let make = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (old, new) = (make(), make());
    std::fs::write(&cert_file, old.cert.pem()).unwrap();
    std::fs::write(&key_file, old.signing_key.serialize_pem()).unwrap();
    let tls = TlsConfig { cert_file: Some(cert_file.clone()), key_file: Some(key_file.clone()) };
    let api = Api::start(ApiConfig { tls, ..ApiConfig::default() }).await;
    let (knows_old, knows_new) = (client(&[&old.cert.pem()]), client(&[&new.cert.pem()]));
    let url = format!("{}/api/v1/health", api.base);
    let answer = knows_old.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().contains_key("strict-transport-security"));
    assert!(knows_new.get(&url).send().await.is_err());
    assert!(raw(&api, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.find("HTTP/1.1 200").is_none(), "plain HTTP");

    // In the middle of a renewal the two do not fit, and the old pair stays.
    std::fs::write(&cert_file, new.cert.pem()).unwrap();
    assert_eq!(knows_old.get(&url).send().await.unwrap().status(), 200);
    std::fs::write(&key_file, new.signing_key.serialize_pem()).unwrap();
    eventually("the new certificate is served", DEADLINE, || async { knows_new.get(&url).send().await.is_ok() }).await;
    assert!(knows_old.get(&url).send().await.is_err());
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_asked_for_twice_is_done_once() {
    let api = Api::start(ApiConfig::default()).await;
    let probe = |name: &str| format!("{{apiVersion: ottwatch/v1, kind: Probe, metadata: {{name: {name}}}}}");
    let apply = |key: &'static str, body: String| {
        api.request("POST", "/api/v1/config:apply").header("idempotency-key", key).body(body).send()
    };
    let first = apply("key-1", probe("p1")).await.unwrap();
    assert!(first.status() == 200 && !first.headers().contains_key("idempotency-replayed"));
    let first: Value = first.json().await.unwrap();
    assert_eq!(first["plan"]["create"].as_array().unwrap().len(), 1);

    let again = apply("\"key-1\"", probe("p1")).await.unwrap();
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(again.headers()["content-type"], "application/json");
    assert_eq!(again.json::<Value>().await.unwrap(), first, "the same answer, not what is so now");
    let without: Value =
        api.request("POST", "/api/v1/config:apply").body(probe("p1")).send().await.unwrap().json().await.unwrap();
    assert_eq!(without["plan"]["unchanged"].as_array().unwrap().len(), 1);

    let (status, code) = problem(apply("key-1", probe("p2")).await.unwrap()).await;
    assert_eq!((status, code.as_str()), (422, "idempotency-key-reused"));
    let (status, code) = problem(apply("a key", probe("p2")).await.unwrap()).await;
    assert_eq!((status, code.as_str()), (400, "invalid-header"));
    // A refusal is an answer, too.
    assert_eq!(problem(apply("key-2", "x: [".into()).await.unwrap()).await, (422, "invalid-documents".to_owned()));
    let again = apply("key-2", "x: [".into()).await.unwrap();
    assert_eq!((again.status().as_u16(), &again.headers()["idempotency-replayed"]), (422, &"true".parse().unwrap()));
    // Of many at once one does it; the others are told to wait or get its answer.
    let all = futures(8, || apply("key-3", probe("p3"))).await;
    let created = |body: &Value| body["plan"]["create"].as_array().map_or(0, Vec::len);
    let mut bodies = Vec::new();
    for response in all {
        assert!(matches!(response.status().as_u16(), 200 | 409), "{}", response.status());
        if response.status() == 200 {
            bodies.push(response.json::<Value>().await.unwrap());
        }
    }
    assert!(!bodies.is_empty() && bodies.iter().all(|body| created(body) == 1), "{bodies:?}");
    api.stop().await;
}

/// Sends `n` requests at once.
async fn futures<F>(n: usize, send: impl Fn() -> F) -> Vec<Response>
where
    F: Future<Output = reqwest::Result<Response>> + Send + 'static,
{
    let all: Vec<_> = (0..n).map(|_| tokio::spawn(send())).collect();
    let mut responses = Vec::new();
    for one in all {
        responses.push(one.await.unwrap().unwrap());
    }
    responses
}
