//! The resources of configuration over HTTP: real PostgreSQL, real NATS.

use std::time::Duration;

use ow_api::{ApiConfig, Deps, serve};
use ow_bus::{Bucket, Bus};
use ow_domain::policy::ChannelPolicy;
use ow_service::Ops;
use ow_store::Store;
use ow_testkit::{eventually, test_bus, test_store};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// SHA-256 of `test`.
const TOKEN_HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

struct Api {
    base: String,
    bus: Bus,
    store: Store,
    client: reqwest::Client,
    shutdown: CancellationToken,
}

struct Answer {
    status: u16,
    etag: Option<String>,
    body: Value,
}

impl Api {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (bus, store) = (test_bus().await.unwrap(), test_store().await.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/api/v1", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let config = ApiConfig { token_sha256: TOKEN_HASH.into(), ..ApiConfig::default() };
        let deps = Deps { bus: bus.clone(), store: store.clone(), ops: Ops::default() };
        let stop = shutdown.clone();
        tokio::spawn(async move { serve(listener, config, deps, stop).await.unwrap() });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { base, bus, store, client, shutdown }
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth("test");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let etag = response.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        Answer { status, etag, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, &[], Some(body)).await
    }

    async fn names(&self, path: &str) -> String {
        let page = self.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        let names = page.body["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap());
        names.collect::<Vec<_>>().join(" ")
    }

    /// One object of every kind.
    async fn fill(&self) {
        for (path, spec) in [
            ("/regions/hcm", json!({"timeZone": "Asia/Ho_Chi_Minh"})),
            ("/packagers/p7", json!({"region": "hcm"})),
            ("/probes/hcm-1", json!({"region": "hcm"})),
            ("/probes/hcm-2", json!({"region": "hcm", "slots": 5})),
            ("/receivers/nms", json!({"type": "snmp", "target": "nms:162", "minSeverity": "major"})),
            ("/routes/all", json!({"receivers": ["nms"]})),
            ("/templates/hd", json!({"limits": {"originRps": 50}})),
            ("/channels/vtv1", channel("hcm-1")),
            ("/channels/vtv2", channel("hcm-2")),
            ("/groups/sport", json!({"channels": ["vtv1"]})),
            ("/silences/quiet", json!({"matchers": ["channel=vtv1"], "endsAt": "2099-01-01T00:00:00Z"})),
            (
                "/maintenance/weekly",
                json!({"groups": ["sport"], "startsAt": "2026-12-01T02:00:00+07:00", "duration": "2h",
                    "rrule": "FREQ=WEEKLY;BYDAY=TU", "timeZone": "Asia/Ho_Chi_Minh"}),
            ),
        ] {
            let made = self.put(path, json!({"spec": spec})).await;
            assert_eq!((made.status, made.etag.is_some()), (201, true), "{path}: {}", made.body);
        }
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn channel(probe: &str) -> Value {
    json!({"template": "hd", "packager": "p7", "probes": [probe],
        "streams": [{"name": "main", "protocol": "hls", "url": "http://o/a.m3u8?t=1", "headers": {"X-Key": "geheim"}}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_is_made_read_changed_and_deleted() {
    let api = Api::start().await;
    api.fill().await;
    for (path, more) in [
        ("/regions/hcm", "spec"),
        ("/packagers/p7", "spec"),
        ("/probes/hcm-1", "enrolled"),
        ("/receivers/nms", "spec"),
        ("/routes/all", "spec"),
        ("/templates/hd", "spec"),
        ("/channels/vtv1", "status"),
        ("/groups/sport", "spec"),
        ("/silences/quiet", "state"),
        ("/maintenance/weekly", "next_window"),
    ] {
        let read = api.get(path).await;
        assert_eq!(read.status, 200, "{path}");
        assert!(read.body.get(more).is_some(), "{path}: {}", read.body);
        assert!(!read.body.to_string().contains("geheim"), "{path}");
        let tag = read.etag.unwrap();
        // What was read and written back changes nothing.
        let same = api.send(Method::PUT, path, &[("If-Match", &tag)], Some(read.body.clone())).await;
        assert_eq!((same.status, same.etag.as_deref()), (200, Some(&*tag)), "{path}: {}", same.body);
        // A label is added by a merge patch, and taken away.
        let patch = json!({"labels": {"team": "a"}});
        let patched =
            api.send(Method::PATCH, path, &[("Content-Type", "application/merge-patch+json")], Some(patch)).await;
        assert_eq!((patched.status, &patched.body["labels"]["team"]), (200, &json!("a")), "{path}: {}", patched.body);
        assert_eq!(patched.body["spec"], read.body["spec"], "{path}");
        let new_tag = patched.etag.unwrap();
        assert_ne!(new_tag, tag);
        // Stale and absent preconditions.
        let absent = api.put(path, read.body.clone()).await;
        assert_eq!((absent.status, &absent.body["code"]), (428, &json!("if-match-required")), "{path}");
        let stale = api.send(Method::PUT, path, &[("If-Match", &tag)], Some(read.body.clone())).await;
        assert_eq!((stale.status, stale.etag.as_deref()), (412, Some(&*new_tag)), "{path}");
        assert_eq!(stale.body["current"]["labels"]["team"], "a", "the refusal tells what is stored");
        let stale = api.send(Method::PATCH, path, &[("If-Match", &tag)], Some(json!({"labels": null}))).await;
        assert_eq!(stale.status, 412, "{path}");
        let stale = api.send(Method::DELETE, path, &[("If-Match", &tag)], None).await;
        assert_eq!(stale.status, 412, "{path}");
        assert_eq!(api.send(Method::DELETE, path, &[], None).await.status, 428, "{path}");
    }
    assert!(api.store.load_config().await.unwrap().objects.iter().any(|o| o.spec.to_string().contains("geheim")));
    let silence = api.get("/silences/quiet").await.body;
    assert_eq!((&silence["state"], &silence["spec"]["createdBy"]), (&json!("active"), &json!("installation")));
    // What is used stays.
    let used = api.send(Method::DELETE, "/channels/vtv1", &[("If-Match", "*")], None).await;
    assert_eq!((used.status, &used.body["code"]), (409, &json!("still-used")));
    assert!(used.body["detail"].as_str().unwrap().contains("Group/sport"), "{}", used.body);
    for path in ["/maintenance/weekly", "/groups/sport", "/channels/vtv1", "/channels/vtv2", "/templates/hd"] {
        let dry = api.send(Method::DELETE, &format!("{path}?dry_run=true"), &[("If-Match", "*")], None).await;
        assert_eq!(dry.status, 204, "{path}");
        assert_eq!(api.send(Method::DELETE, path, &[("If-Match", "*")], None).await.status, 204, "{path}");
        assert_eq!(api.get(path).await.status, 404, "{path}");
        assert_eq!(api.send(Method::DELETE, path, &[("If-Match", "*")], None).await.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_with_its_place_and_a_good_value() {
    let api = Api::start().await;
    api.fill().await;
    for (path, body, status, pointer) in [
        (
            "/channels/x",
            json!({"spec": {"probes": ["hcm-1"], "streams": [{"name": "a", "protocol": "hls", "url": "ftp://o"}]}}),
            422,
            "/spec/streams/0/url",
        ),
        (
            "/channels/x",
            json!({"spec": {"probes": ["hcm-3"], "streams": [{"name": "a", "protocol": "hls", "url": "http://o"}]}}),
            422,
            "/spec/probes/0",
        ),
        ("/channels/x", json!({"spec": {"probes": "hcm-1"}}), 422, "/spec/probes"),
        ("/channels/x", json!({"labels": {"G": "x"}, "spec": channel("hcm-1")}), 422, "/labels/G"),
        ("/channels/x", json!({"colour": 1, "spec": channel("hcm-1")}), 422, "/colour"),
        ("/channels/x", json!({"name": "y", "spec": channel("hcm-1")}), 422, "/name"),
        ("/probes/x", json!({"spec": {"slots": 0}}), 422, "/spec/slots"),
        ("/probes/x", json!({"spec": {"region": 5}}), 422, "/spec/region"),
        ("/regions/x", json!({"spec": {"parent": "x"}}), 422, "/spec/parent"),
        (
            "/silences/x",
            json!({"spec": {"matchers": ["colour=red"], "endsAt": "2099-01-01T00:00:00Z"}}),
            422,
            "/spec/matchers/0",
        ),
        ("/receivers/x", json!({"spec": {"type": "slak"}}), 422, "/spec/type"),
    ] {
        let answer = api.put(path, body.clone()).await;
        let pointers: Vec<_> = answer.body["errors"].as_array().into_iter().flatten().map(|e| &e["pointer"]).collect();
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        assert!(pointers.contains(&&json!(pointer)), "{body}: {}", answer.body);
        assert_eq!(api.get(path).await.status, 404);
    }
    assert_eq!(api.put("/channels/B%20ad", json!({"spec": channel("hcm-1")})).await.status, 400);
    assert_eq!(api.send(Method::PATCH, "/probes/none", &[], Some(json!({"labels": {}}))).await.status, 404);
    assert_eq!(api.get("/probes?bogus=1&drain=perhaps&sort=size").await.body["errors"].as_array().unwrap().len(), 3);
    // Only if there is none, only if there is one.
    let body = json!({"spec": {}});
    assert_eq!(api.send(Method::PUT, "/probes/hcm-1", &[("If-None-Match", "*")], Some(body.clone())).await.status, 412);
    assert_eq!(api.send(Method::PUT, "/probes/new", &[("If-Match", "*")], Some(body.clone())).await.status, 412);
    let dry = api.send(Method::PUT, "/probes/new?dry_run=true", &[("If-None-Match", "*")], Some(body)).await;
    assert_eq!((dry.status, api.get("/probes/new").await.status), (200, 404));
    // A patch takes a field away; a mark in place of a secret keeps it.
    let patch = json!({"spec": {"slots": null, "region": "hn"}});
    let patched = api.send(Method::PATCH, "/probes/hcm-2", &[], Some(patch)).await;
    assert_eq!(patched.body["spec"], json!({"region": "hn"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_have_filters_orders_and_pages() {
    let api = Api::start().await;
    api.fill().await;
    api.send(Method::PATCH, "/channels/vtv1", &[], Some(json!({"labels": {"group": "sport", "managed-by": "git"}})))
        .await;
    for (path, expected) in [
        ("/channels", "vtv1 vtv2"),
        ("/channels?sort=-name", "vtv2 vtv1"),
        ("/channels?sort=-changed_at", "vtv1 vtv2"),
        ("/channels?label.group=sport", "vtv1"),
        ("/channels?managed_by=git", "vtv1"),
        ("/channels?probe=hcm-2", "vtv2"),
        ("/channels?packager=p7&enabled=true&q=TV2", "vtv2"),
        ("/channels?severity=indeterminate", "vtv1 vtv2"),
        ("/channels?severity=critical", ""),
        ("/probes?region=hcm&drain=false", "hcm-1 hcm-2"),
        ("/receivers?type=slack", ""),
        ("/routes?receiver=nms", "all"),
        ("/maintenance?group=sport", "weekly"),
        ("/groups?channel=vtv1", "sport"),
    ] {
        assert_eq!(api.names(path).await, expected, "{path}");
    }
    let first = api.get("/channels?limit=1&count=true&sort=changed_at").await.body;
    assert_eq!((&first["total"], &first["items"][0]["managed_by"]), (&json!(2), &Value::Null));
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = api.get(&format!("/channels?limit=1&sort=changed_at&cursor={cursor}")).await.body;
    assert_eq!((&second["items"][0]["managed_by"], &second["next_cursor"]), (&json!("git"), &Value::Null));
    assert_eq!(api.get(&format!("/channels?cursor={cursor}")).await.status, 400, "a cursor of another order");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_changes_are_one_or_each_its_own() {
    let api = Api::start().await;
    api.fill().await;
    let ops = json!([
        {"op": "put", "name": "a", "spec": channel("hcm-1")},
        {"op": "put", "name": "b", "spec": channel("hcm-9")},
        {"op": "patch", "name": "vtv1", "spec": {"displayName": "VTV1"}, "if_match": 1},
        {"op": "delete", "name": "none"},
        {"op": "put", "name": "c d", "spec": {}},
        {"op": "patch", "name": "vtv2", "spec": {"streams": []}},
        {"op": "put", "name": "e", "spec": channel("hcm-2"), "labels": {"group": "x"}},
    ]);
    // A half-wrong file changes nothing and names every error.
    let before = api.store.load_config().await.unwrap();
    let refused = api.send(Method::POST, "/channels:bulk", &[], Some(json!({"ops": ops}))).await;
    let pointers: Vec<&str> =
        refused.body["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    assert_eq!(refused.status, 422);
    for wanted in ["/ops/1/spec/probes/0", "/ops/2", "/ops/3", "/ops/4/name", "/ops/5/spec/streams"] {
        assert!(pointers.contains(&wanted), "{wanted} is not in {pointers:?}");
    }
    assert_eq!(api.store.load_config().await.unwrap(), before);
    // Each for itself: what can be made is made.
    let dry =
        api.send(Method::POST, "/channels:bulk?dry_run=true", &[], Some(json!({"atomic": false, "ops": ops}))).await;
    assert_eq!(dry.status, 200);
    assert_eq!(api.store.load_config().await.unwrap(), before);
    let done = api.send(Method::POST, "/channels:bulk", &[], Some(json!({"atomic": false, "ops": ops}))).await;
    let statuses: Vec<u64> =
        done.body["items"].as_array().unwrap().iter().map(|i| i["status"].as_u64().unwrap()).collect();
    assert_eq!((done.status, statuses), (200, vec![201, 422, 412, 404, 422, 422, 201]), "{}", done.body);
    assert_eq!(done.body["items"][1]["problem"]["errors"][0]["pointer"], "/spec/probes/0");
    assert_eq!(done.body["items"][0]["revision"], done.body["revision"]);
    assert_eq!(api.names("/channels").await, "a e vtv1 vtv2");
    // Whole, with deletions.
    let ops = json!([{"op": "delete", "name": "a"}, {"op": "patch", "name": "e", "labels": {"group": null}}]);
    let done = api.send(Method::POST, "/channels:bulk", &[], Some(json!({"ops": ops}))).await;
    assert_eq!((done.status, &done.body["items"][0]["status"]), (200, &json!(204)), "{}", done.body);
    assert_eq!(api.names("/channels").await, "e vtv1 vtv2");
    assert_eq!(api.get("/channels/e").await.body["labels"], json!({}));
    let published = api.bus.kv::<ChannelPolicy>(Bucket::Config).get("a").await.unwrap();
    assert!(published.is_none(), "published when the answer comes");
    let twice = json!([{"op": "delete", "name": "e"}, {"op": "delete", "name": "e"}]);
    assert_eq!(api.send(Method::POST, "/channels:bulk", &[], Some(json!({"ops": twice}))).await.status, 422);
    assert_eq!(api.send(Method::POST, "/channels:bulk", &[], Some(json!({"ops": []}))).await.status, 422);
    let audit = api.store.config_audit(10).await.unwrap();
    assert!(audit.iter().any(|line| line.name == "a" && line.action == "delete" && line.by.actor == "installation"));
}

/// Two editors on one template: the second gets 412 with what is stored, and nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_editors_at_once_one_wins() {
    let api = Api::start().await;
    api.fill().await;
    let tag = api.get("/templates/hd").await.etag.unwrap();
    let edits = (0..6).map(|n| {
        let body = json!({"spec": {"limits": {"originRps": 100 + n}}});
        let (api, tag) = (&api, &tag);
        async move { api.send(Method::PUT, "/templates/hd", &[("If-Match", tag.as_str())], Some(body)).await.status }
    });
    let mut statuses = Vec::new();
    let mut running: Vec<_> = edits.map(Box::pin).collect();
    // All are in flight at once.
    while !running.is_empty() {
        let (status, rest) = select(running).await;
        statuses.push(status);
        running = rest;
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412]);
    let rps = api.get("/templates/hd").await.body["spec"]["limits"]["originRps"].as_u64().unwrap();
    eventually("the policy follows", Duration::from_secs(5), || async {
        let policy = api.bus.kv::<ChannelPolicy>(Bucket::Config).get("vtv1").await.unwrap();
        policy.is_some_and(|entry| u64::from(entry.value.limits.origin_rps) == rps)
    })
    .await;
}

/// The first of several futures that is ready, and the others.
async fn select<F: Future + Unpin>(mut futures: Vec<F>) -> (F::Output, Vec<F>) {
    std::future::poll_fn(move |context| {
        for n in 0..futures.len() {
            if let std::task::Poll::Ready(value) = std::pin::Pin::new(&mut futures[n]).poll(context) {
                drop(futures.remove(n));
                return std::task::Poll::Ready((value, std::mem::take(&mut futures)));
            }
        }
        std::task::Poll::Pending
    })
    .await
}
