//! The api on a server of its own, and people who use it.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ow_api::{ApiConfig, Deps, serve};
use ow_service::{HumanBytes, Ops};
use ow_store::Store;
use ow_testkit::{test_bus, test_store};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// SHA-256 of `test`.
const TOKEN_HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
pub const PASSWORD: &str = "geheim horse battery";

pub struct Api {
    pub base: String,
    pub store: Store,
    pub http: reqwest::Client,
    stop: CancellationToken,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Somebody who signed in.
pub struct Browser {
    pub cookie: String,
    pub csrf: String,
}

impl Api {
    pub async fn start(change: impl FnOnce(&mut ApiConfig, &str)) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (bus, store) = (test_bus().await.unwrap(), test_store().await.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut config = ApiConfig { token_sha256: TOKEN_HASH.into(), ..ApiConfig::default() };
        config.passwords.memory = HumanBytes(8 << 20);
        change(&mut config, &base);
        let deps = Deps { bus, store: store.clone(), ops: Ops::default() };
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move { serve(listener, config, deps, stopped).await.unwrap() });
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { base, store, http, stop }
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Response {
        let mut request = self.http.request(method, format!("{}/api/v1{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    /// By the administrator token: status and body.
    pub async fn admin(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        self.with(method, path, &[("authorization", "Bearer test")], body).await
    }

    pub async fn with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> (u16, Value) {
        let response = self.send(method, path, headers, body).await;
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }

    pub async fn by(&self, browser: &Browser, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        self.with(method, path, &[("cookie", &browser.cookie), ("x-csrf-token", &browser.csrf)], body).await
    }

    pub async fn token(&self, token: &str, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        self.with(method, path, &[("authorization", &format!("Bearer {token}"))], body).await
    }

    /// A person with the password of all people here.
    pub async fn person(&self, name: &str, role: &str) {
        let body = json!({"name": name, "role": role, "password": PASSWORD});
        let (status, body) = self.admin(Method::POST, "/users", Some(body)).await;
        assert_eq!(status, 201, "{body}");
    }

    pub async fn sign_in(&self, name: &str, password: &str) -> Response {
        self.send(Method::POST, "/session", &[], Some(json!({"name": name, "password": password}))).await
    }

    pub async fn browser(&self, name: &str) -> Browser {
        browser_of(self.sign_in(name, PASSWORD).await).await
    }
}

/// `name=value` of a cookie that was set.
pub fn cookie_of(response: &Response, name: &str) -> Option<String> {
    let cookies = response.headers().get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    cookies.filter_map(|text| text.split(';').next()).find(|pair| pair.starts_with(name)).map(str::to_owned)
}

pub async fn browser_of(response: Response) -> Browser {
    assert_eq!(response.status(), 200);
    let cookie = cookie_of(&response, "ottwatch_session=").expect("a session");
    let body: Value = response.json().await.unwrap();
    Browser { cookie, csrf: body["csrf_token"].as_str().unwrap().to_owned() }
}

/// All that was logged by this process, at every level.
pub fn log() -> Arc<Mutex<Vec<u8>>> {
    static LOG: OnceLock<Arc<Mutex<Vec<u8>>>> = OnceLock::new();
    struct Sink(Arc<Mutex<Vec<u8>>>);
    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    LOG.get_or_init(|| {
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = log.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_writer(move || Sink(kept.clone()))
            .init();
        log
    })
    .clone()
}

/// All that the database holds.
pub fn dump() -> String {
    let (dsn, pg_dump) = {
        let postgres = ow_testkit::postgres();
        (postgres.dsn(), ow_local::find_postgres(None).unwrap().postgres().with_file_name("pg_dump"))
    };
    let output = std::process::Command::new(pg_dump).arg("--dbname").arg(dsn).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
