//! The api as a whole: real PostgreSQL, real NATS, real HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use ow_api::{ApiConfig, Deps, reconcile_config, serve};
use ow_bus::{Bucket, Bus};
use ow_config::SourceFile;
use ow_domain::config::ChangedBy;
use ow_domain::policy::ChannelPolicy;
use ow_domain::verdict::{Position, Verdict};
use ow_domain::{ChannelId, Severity, Time};
use ow_service::{HumanDuration, Ops};
use ow_store::Store;
use ow_testkit::{DEADLINE, eventually, test_bus, test_store};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// SHA-256 of `test`.
const TOKEN_HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

struct Api {
    base: String,
    bus: Bus,
    store: Store,
    client: reqwest::Client,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Api {
    async fn start(token_sha256: &str) -> Self {
        let (bus, store) = (test_bus().await.unwrap(), test_store().await.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let config = ApiConfig {
            token_sha256: token_sha256.into(),
            with_ops: true,
            reconcile_interval: HumanDuration(Duration::from_millis(300)),
            ..ApiConfig::default()
        };
        let deps = Deps { bus: bus.clone(), store: store.clone(), ops: Ops::default() };
        let stop = shutdown.clone();
        let task = tokio::spawn(async move { serve(listener, config, deps, stop).await.unwrap() });
        Self { base, bus, store, client: client(), shutdown, task }
    }

    /// Status and JSON body.
    async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.client.get(format!("{}{path}", self.base)).bearer_auth("test").send().await.unwrap();
        assert_eq!(response.headers()["cache-control"], "no-store");
        let status = response.status().as_u16();
        let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
        let expected =
            if status == 200 || path.ends_with("health") { "application/json" } else { "application/problem+json" };
        assert_eq!(content_type, expected, "{path}");
        (status, response.json().await.unwrap())
    }

    async fn post(&self, path: &str, token: &str, body: impl Into<String>) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", self.base)).bearer_auth(token).body(body.into());
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn apply(&self, text: &str) {
        let files = [SourceFile { name: "t".into(), text: text.into() }];
        let by = ChangedBy { actor: "test".into(), source: "test".into() };
        ow_api::apply_documents(&self.store, &files, None, Some(&by)).await.unwrap();
    }

    async fn policy(&self, channel: &str) -> Option<ChannelPolicy> {
        let entry = self.bus.kv::<ChannelPolicy>(Bucket::Config).get(channel).await.unwrap();
        entry.map(|entry| entry.value)
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

fn client() -> reqwest::Client {
    // Without a provider reqwest refuses to be built, also for plain HTTP.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

const SET: &str = "
{apiVersion: ottwatch/v1, kind: Probe, metadata: {name: p1}}
---
{apiVersion: ottwatch/v1, kind: Template, metadata: {name: hd}, spec: {limits: {originRps: 50}}}
---
{apiVersion: ottwatch/v1, kind: Channel, metadata: {name: vtv1, labels: {group: news}}, spec: {displayName: VTV1, template: hd, probes: [p1],
  streams: [{name: main, protocol: hls, url: 'http://o/1.m3u8?token=geheim', headers: {X-Key: geheim}}]}}
---
{apiVersion: ottwatch/v1, kind: Channel, metadata: {name: vtv2}, spec: {probes: [p1], enabled: false,
  streams: [{name: main, protocol: hls, url: 'http://o/2.m3u8'}]}}
---
{apiVersion: ottwatch/v1, kind: Channel, metadata: {name: vtv3, labels: {group: news}}, spec: {probes: [p1],
  streams: [{name: main, protocol: dash, url: 'http://o/3.mpd'}]}}
";

fn verdict(channel: &str, severity: Severity) -> Verdict {
    Verdict {
        channel: ChannelId::new(channel).unwrap(),
        name: channel.into(),
        position: Position { epoch: 1, seq: 1 },
        as_of: Time::UNIX_EPOCH,
        policy_revision: 1,
        retired: None,
        severity,
        conditions: Vec::new(),
        labels: BTreeMap::new(),
        packager: None,
        region: None,
        runbook: None,
        streams: Vec::new(),
    }
}

fn names(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_are_listed_filtered_and_paged() {
    let api = Api::start(TOKEN_HASH).await;
    api.apply(SET).await;
    let board = api.bus.kv::<Verdict>(Bucket::Status);
    board.put("vtv1", &verdict("vtv1", Severity::Major)).await.unwrap();
    board.put("vtv3", &verdict("vtv3", Severity::Cleared)).await.unwrap();
    eventually("verdicts arrive", DEADLINE, || async {
        names(&api.get("/api/v1/channels?severity=major,cleared").await.1).len() == 2
    })
    .await;
    for (query, expected) in [
        ("", &["vtv1", "vtv2", "vtv3"][..]),
        ("?severity=major", &["vtv1"]),
        ("?severity=indeterminate", &["vtv2"]),
        ("?enabled=true", &["vtv1", "vtv3"]),
        ("?label.group=news&q=VTV3", &["vtv3"]),
        ("?template=hd", &["vtv1"]),
        ("?probe=p9", &[]),
        ("?limit=2", &["vtv1", "vtv2"]),
    ] {
        let (status, page) = api.get(&format!("/api/v1/channels{query}")).await;
        assert_eq!((status, names(&page)), (200, expected.to_vec()), "{query}");
        assert_eq!(page["next_cursor"].is_string(), query == "?limit=2", "{query}");
        if let Some(cursor) = page["next_cursor"].as_str() {
            let (_, page) = api.get(&format!("/api/v1/channels{query}&cursor={cursor}")).await;
            assert_eq!((names(&page), &page["next_cursor"]), (vec!["vtv3"], &Value::Null));
            assert_eq!(api.get(&format!("/api/v1/alarms?cursor={cursor}")).await.0, 400, "a cursor of another list");
        }
    }
    let (_, one) = api.get("/api/v1/channels/vtv1").await;
    assert_eq!((&one["status"]["severity"], &one["spec"]["template"]), (&json!("major"), &json!("hd")));
    assert_eq!(one["spec"]["streams"][0]["headers"]["X-Key"], "(hidden)");
    // The token in the URL is shown to who may write it; headers are to nobody.
    assert_eq!(one.to_string().matches("geheim").count(), 1, "{one}");
    let (status, problem) = api.get("/api/v1/channels/vtv9").await;
    assert_eq!((status, &problem["code"]), (404, &json!("not-found")));
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_is_a_problem_document() {
    let api = Api::start(TOKEN_HASH).await;
    let (status, mut problem) =
        api.get("/api/v1/alarms?state=firing&severity=loud&limit=0&bogus=1&channel=A%20B").await;
    assert_eq!(status, 400);
    assert_eq!(problem["request_id"].as_str().map(str::len), Some(36));
    problem["request_id"] = json!("(some)");
    insta::assert_snapshot!(serde_json::to_string_pretty(&problem).unwrap());
    assert_eq!(api.get("/api/v2/x").await.0, 404);
    assert_eq!(api.post("/api/v1/channels", "test", "").await.0, 405);
    let anonymous = api.client.post(format!("{}/api/v1/config:apply", api.base)).body(SET).send().await.unwrap();
    assert_eq!(anonymous.status(), 401, "nobody known writes nothing");
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alarms_and_health_answer() {
    let api = Api::start(TOKEN_HASH).await;
    for query in ["", "?state=active", "?state=all&severity=critical,major&limit=5", "?state=cleared"] {
        let (status, page) = api.get(&format!("/api/v1/alarms{query}")).await;
        assert_eq!((status, page), (200, json!({"items": [], "next_cursor": null})), "{query}");
    }
    assert_eq!(api.get("/api/v1/alarms/INC-1").await.0, 404);
    let (status, health) = api.get("/api/v1/health").await;
    assert_eq!((status, &health["status"]), (200, &json!("ok")), "{health}");
    for part in ["nats", "postgres"] {
        assert_eq!(health["components"][part]["status"], "ok");
        assert!(health["components"][part]["latency_ms"].as_f64().unwrap() > 0.0);
    }
    let metrics = api.client.get(format!("{}/metrics", api.base)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("ottwatch_api_requests_total{class=\"2xx\"}"), "{metrics}");
    api.store.close();
    let (status, health) = api.get("/api/v1/health").await;
    assert_eq!((status, &health["components"]["postgres"]["status"]), (503, &json!("failing")));
    assert_eq!(api.get("/api/v1/channels").await.0, 503);
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_applied_whole_or_not_at_all_and_only_with_the_token() {
    let api = Api::start(TOKEN_HASH).await;
    let (status, problem) = api.post("/api/v1/config:apply", "wrong", SET).await;
    assert_eq!((status, &problem["code"]), (401, &json!("unauthorized")));
    let refused = api.client.get(format!("{}/api/v1/channels", api.base)).send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 401);
    assert_eq!(refused.headers()["www-authenticate"], "Bearer realm=\"ottwatch\"");

    let (status, dry) = api.post("/api/v1/config:apply?dry_run=true", "test", SET).await;
    assert_eq!((status, dry["plan"]["create"].as_array().unwrap().len()), (200, 5));
    assert_eq!(api.store.load_config().await.unwrap().objects.len(), 0);

    let half_bad = format!(
        "{SET}---\n{{apiVersion: ottwatch/v1, kind: Channel, metadata: {{name: x}}, spec: {{probes: [p7], streams: []}}}}\n"
    );
    let (status, problem) = api.post("/api/v1/config:apply", "test", half_bad).await;
    assert_eq!((status, &problem["code"]), (422, &json!("invalid-documents")), "{problem}");
    assert_eq!(problem["errors"][0]["pointer"], "/spec/streams");
    assert_eq!(api.store.load_config().await.unwrap().objects.len(), 0, "nothing half applied");

    let (status, done) = api.post("/api/v1/config:apply", "test", SET).await;
    assert_eq!((status, &done["revision"]), (200, &json!(1)), "{done}");
    assert!(api.policy("vtv1").await.is_some(), "published when the answer comes");
    let (_, again) = api.post("/api/v1/config:apply", "test", SET).await;
    assert_eq!((&again["revision"], again["plan"]["unchanged"].as_array().unwrap().len()), (&json!(1), 5));

    let exported = api.client.get(format!("{}/api/v1/config", api.base)).bearer_auth("test").send().await.unwrap();
    let exported = exported.text().await.unwrap();
    let (_, same) = api.post("/api/v1/config:apply?dry_run=true", "test", exported).await;
    assert_eq!(same["plan"]["unchanged"].as_array().unwrap().len(), 5, "{same}");

    let (status, problem) = api.post("/api/v1/config:apply", "test", "x".repeat(5 << 20)).await;
    assert_eq!((status, &problem["code"]), (413, &json!("body-too-large")));
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_follow_the_configuration_and_are_repaired() {
    let api = Api::start(TOKEN_HASH).await;
    api.apply(SET).await;
    let there = |name: &'static str| {
        let api = &api;
        eventually(name, Duration::from_secs(5), move || async move { api.policy(name).await.is_some() })
    };
    there("vtv1").await;
    let before = api.policy("vtv1").await.unwrap();
    assert_eq!((before.name.as_str(), before.limits.origin_rps, before.revision), ("VTV1", 50, 1));

    // A template reaches its channels, and only those.
    api.apply("{apiVersion: ottwatch/v1, kind: Template, metadata: {name: hd}, spec: {limits: {originRps: 70}}}").await;
    eventually("the change is published", Duration::from_secs(5), || async {
        api.policy("vtv1").await.unwrap().limits.origin_rps == 70
    })
    .await;
    assert_eq!(api.policy("vtv1").await.unwrap().revision, 2);
    there("vtv3").await;
    assert_eq!(api.policy("vtv3").await.unwrap().revision, 1);

    // What somebody takes away or adds is repaired.
    let bucket = api.bus.kv::<ChannelPolicy>(Bucket::Config);
    bucket.delete("vtv1").await.unwrap();
    bucket.put("ghost", &before).await.unwrap();
    there("vtv1").await;
    eventually("the ghost goes", Duration::from_secs(5), || async { api.policy("ghost").await.is_none() }).await;
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_publish_at_once_agree() {
    let (bus, store) = (test_bus().await.unwrap(), test_store().await.unwrap());
    let files = [SourceFile { name: "t".into(), text: SET.into() }];
    let by = ChangedBy { actor: "test".into(), source: "test".into() };
    ow_api::apply_documents(&store, &files, None, Some(&by)).await.unwrap();
    let runs: Vec<_> = (0..4)
        .map(|_| {
            let (store, bus) = (store.clone(), bus.clone());
            tokio::spawn(async move { reconcile_config(&store, &bus).await.unwrap() })
        })
        .collect();
    let mut n_written = 0;
    for run in runs {
        n_written += run.await.unwrap().written.len();
    }
    assert_eq!(n_written, 3, "each policy once");
    let report = reconcile_config(&store, &bus).await.unwrap();
    assert_eq!((report.written.len(), report.n_unchanged), (0, 3), "equal content is not written");
}

/// Paths of the description and those that the server knows are the same.
#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_of_this_server() {
    let api = Api::start(TOKEN_HASH).await;
    let (status, document) = api.get("/api/v1/openapi.json").await;
    assert_eq!((status, &document), (200, &ow_api::openapi()));
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path =
            path.replace("{name}", "x").replace("{stream}", "x").replace("{check}", "x").replace("{number}", "1");
        for (method, operation) in methods.as_object().unwrap() {
            let method = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let response = api.client.request(method, format!("{}{path}", api.base)).send().await.unwrap();
            let status = response.status().as_u16();
            if operation["x-permission"] == "public" {
                // Without a body, or without an OpenID provider, some can do no more.
                assert!(matches!(status, 200 | 400 | 404), "{path}: {status}");
            } else {
                assert_eq!(status, 401, "{path}");
            }
        }
    }
    // Every reference in it leads somewhere.
    let text = document.to_string();
    for reference in text.split("\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
    api.stop().await;
}
