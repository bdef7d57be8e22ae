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

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_a_part_of_their_channel() {
    let api = Api::start().await;
    api.fill().await;
    let base = "/channels/vtv1/streams";
    let listed = api.get(base).await;
    assert_eq!((listed.status, &listed.body["items"][0]["name"]), (200, &json!("main")));
    let tag = listed.etag.unwrap();
    let dash = json!({"protocol": "dash", "url": "http://o/b.mpd"});
    assert_eq!(api.put(&format!("{base}/backup"), dash.clone()).await.status, 428);
    let path = format!("{base}/backup");
    let made = api.send(Method::PUT, &path, &[("If-Match", &tag)], Some(dash.clone())).await;
    assert_eq!((made.status, &made.body["name"]), (201, &json!("backup")), "{}", made.body);
    assert_eq!(api.send(Method::PUT, &path, &[("If-Match", &tag)], Some(dash)).await.status, 412);
    let tag = made.etag.unwrap();
    let wrong = json!({"protocol": "dash", "url": "ftp://o"});
    let wrong = api.send(Method::PUT, &path, &[("If-Match", &tag)], Some(wrong)).await;
    assert_eq!((wrong.status, &wrong.body["errors"][0]["pointer"]), (422, &json!("/url")), "{}", wrong.body);
    let renamed = json!({"name": "x", "protocol": "dash", "url": "http://o"});
    assert_eq!(api.send(Method::PUT, &path, &[("If-Match", &tag)], Some(renamed)).await.status, 422);
    // The header of the other stream is still there.
    let stored = api.store.load_config().await.unwrap();
    let channel = stored.objects.iter().find(|o| o.name.as_str() == "vtv1").unwrap();
    assert_eq!(channel.spec["streams"][0]["headers"]["X-Key"], "geheim");
    assert_eq!(api.get(&format!("{base}/main")).await.body["headers"]["X-Key"], "(hidden)");
    let delete = |name: &str| format!("{base}/{name}");
    assert_eq!(api.send(Method::DELETE, &delete("none"), &[("If-Match", "*")], None).await.status, 404);
    assert_eq!(api.send(Method::DELETE, &delete("main"), &[("If-Match", "*")], None).await.status, 204);
    assert_eq!(
        api.send(Method::DELETE, &delete("backup"), &[("If-Match", "*")], None).await.status,
        422,
        "the last one"
    );
    assert_eq!(api.get(&delete("main")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn thresholds_are_set_per_template_and_channel_and_reach_the_policy() {
    let api = Api::start().await;
    api.fill().await;
    let (template, channel) = ("/templates/hd/thresholds", "/channels/vtv1/thresholds");
    let check = "hls-playlist-stale";
    let any: &[(&str, &str)] = &[("If-Match", "*")];
    let body = json!({"severity": "minor", "params": {"stale_slack_s": 3}});
    let set = api.send(Method::PUT, &format!("{template}/{check}"), any, Some(body)).await;
    assert_eq!((set.status, &set.body["override"]["severity"]), (200, &json!("minor")), "{}", set.body);
    let set =
        api.send(Method::PUT, &format!("{channel}/{check}"), any, Some(json!({"params": {"stale_slack_s": 9}}))).await;
    assert_eq!(set.status, 200, "{}", set.body);
    let value = |body: &Value, field: &str| {
        let values = body["effective"].as_array().or(body["values"].as_array()).unwrap();
        values.iter().find(|v| v["field"] == field).cloned().unwrap_or_else(|| panic!("{field}: {body}"))
    };
    let slack = value(&set.body, "params.stale_slack_s");
    assert_eq!((&slack["value"], &slack["origin"]["kind"]), (&json!(9), &json!("channel")));
    assert_eq!(slack["over"][0], json!({"value": 3, "origin": {"kind": "template", "name": "hd"}}));
    assert_eq!(value(&set.body, "hold")["origin"]["kind"], "default");
    assert_eq!(api.get(template).await.body["items"][0]["check"], check);
    assert_eq!(api.get(&format!("{channel}/no-such-check")).await.status, 404);
    for (body, pointer) in [
        (json!({"severity": "loud"}), "/severity"),
        (json!({"params": {"slak": 1}}), "/params/slak"),
        (json!({"colour": 1}), "/colour"),
    ] {
        let wrong = api.send(Method::PUT, &format!("{channel}/{check}"), any, Some(body)).await;
        assert_eq!((wrong.status, &wrong.body["errors"][0]["pointer"]), (422, &json!(pointer)), "{}", wrong.body);
    }
    let policy = api.get("/channels/vtv1/policy").await.body;
    let slack = value(&policy, &format!("checks.overrides.{check}.params.stale_slack_s"));
    assert_eq!((&slack["value"], &slack["origin"]["kind"]), (&json!(9), &json!("channel")));
    assert_eq!(value(&policy, "limits.originRps")["origin"], json!({"kind": "template", "name": "hd"}));
    assert_eq!(policy["policy"]["checks"]["overrides"][check]["params"]["stale_slack_s"], 9.0);
    assert!(!policy.to_string().contains("geheim") && !policy.to_string().contains("t=1"), "{policy}");
    // The services get it within seconds.
    eventually("the policy is published", Duration::from_secs(5), || async {
        let policy = api.bus.kv::<ChannelPolicy>(Bucket::Config).get("vtv1").await.unwrap();
        policy.is_some_and(|p| p.value.checks.overrides.get(check).is_some_and(|o| o.params["stale_slack_s"] == 9.0))
    })
    .await;
    assert_eq!(api.send(Method::DELETE, &format!("{channel}/{check}"), any, None).await.status, 204);
    assert_eq!(api.send(Method::DELETE, &format!("{channel}/{check}"), any, None).await.status, 404);
    let left = api.get(&format!("{channel}/{check}")).await.body;
    assert_eq!((&left["override"], &value(&left, "params.stale_slack_s")["value"]), (&Value::Null, &json!(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_drains_and_has_a_token() {
    let api = Api::start().await;
    api.fill().await;
    assert_eq!(api.get("/channels/vtv1/policy").await.body["probes"], json!(["hcm-1"]));
    let drained = api.send(Method::PATCH, "/probes/hcm-1", &[], Some(json!({"spec": {"drain": true}}))).await;
    assert_eq!((drained.status, &drained.body["spec"]["drain"]), (200, &json!(true)));
    assert_eq!(api.get("/channels/vtv1/policy").await.body["probes"], json!(["hcm-2"]));
    assert_eq!(api.names("/probes?drain=true").await, "hcm-1");
    let made = api.send(Method::POST, "/probes/hcm-1:enrol", &[], None).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let token = made.body["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("ow_probe_") && token.len() > 50);
    let read = api.get("/probes/hcm-1").await.body;
    assert_eq!(read["enrolled"]["created_by"], "installation");
    assert!(!read.to_string().contains(&token));
    let again = api.send(Method::POST, "/probes/hcm-1:enrol", &[], None).await;
    assert_ne!(again.body["token"], token.as_str());
    assert_eq!(api.send(Method::POST, "/probes/none:enrol", &[], None).await.status, 404);
    assert_eq!(api.send(Method::POST, "/probes/hcm-1:revoke", &[], None).await.status, 204);
    assert_eq!(api.send(Method::POST, "/probes/hcm-1:revoke", &[], None).await.status, 404);
    assert_eq!(api.get("/probes/hcm-1").await.body["enrolled"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_and_the_overview_answer() {
    let api = Api::start().await;
    api.fill().await;
    let all = api.get("/checks?limit=500").await.body;
    let n = all["items"].as_array().unwrap().len();
    assert!(n > 200, "{n}");
    let first = api.get("/checks?limit=2").await.body;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = api.get(&format!("/checks?limit=2&cursor={cursor}")).await.body;
    assert_eq!(second["items"][0], all["items"][2]);
    let found = api.get("/checks?family=hls&q=stale").await.body;
    assert!(found["items"].as_array().unwrap().iter().any(|c| c["id"] == "hls-playlist-stale"), "{found}");
    let one = api.get("/checks/hls-playlist-stale").await.body;
    assert!(one["params"].as_array().unwrap().iter().any(|p| p["name"] == "stale_slack_s"));
    assert_eq!(api.get("/checks/none").await.status, 404);

    let patch = json!({"spec": {"overrides": {"ladder": {"uhd": true}}}});
    assert_eq!(api.send(Method::PATCH, "/channels/vtv1", &[], Some(patch)).await.status, 200);
    let overview = api.get("/status").await.body;
    assert_eq!(overview["channels"]["by_severity"]["indeterminate"], 2, "{overview}");
    assert_eq!((&overview["uhd"]["declared"], &overview["uhd"]["unknown"]), (&json!(1), &json!(1)));
    let probes = overview["probes"].as_array().unwrap();
    assert_eq!((probes.len(), &probes[0]["alive"]), (2, &json!(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_applied_as_json_on_behalf_of_an_owner() {
    let api = Api::start().await;
    api.fill().await;
    let probe = |name: &str| json!({"apiVersion": "ottwatch/v1", "kind": "Probe", "metadata": {"name": name}});
    let apply = |query: &'static str, body: Value, headers: &'static [(&'static str, &'static str)]| {
        let api = &api;
        async move { api.send(Method::POST, &format!("/config:apply{query}"), headers, Some(body)).await }
    };
    let done = apply("?owner=git", json!([probe("a"), probe("b")]), &[]).await;
    assert_eq!((done.status, &done.body["plan"]["create"]), (200, &json!(["Probe/a", "Probe/b"])), "{}", done.body);
    assert_eq!(api.get("/probes/a").await.body["managed_by"], "git");
    assert_eq!(apply("?prune=true", json!([probe("a")]), &[]).await.status, 400, "whose?");
    let stale = apply("?owner=git", json!([probe("c")]), &[("If-Match", "\"1\"")]).await;
    assert_eq!((stale.status, stale.etag), (412, done.etag));
    let done = apply("?owner=git&prune=true", json!([probe("a")]), &[]).await;
    assert_eq!(done.body["plan"]["delete"], json!(["Probe/b"]), "what nobody or others own stays: {}", done.body);
    let other = apply("?owner=other", json!([probe("a")]), &[]).await;
    assert_eq!((other.status, &other.body["errors"][0]["code"]), (422, &json!("other-owner")));
    let wrong = apply("", json!({"kind": "Probe", "metadata": {"name": 5}}), &[]).await;
    assert_eq!(wrong.status, 422, "{}", wrong.body);

    // What is exported changes nothing when it is applied, and tells no secret.
    let export = api.client.get(format!("{}/config", api.base)).bearer_auth("test").send().await.unwrap();
    let tag = export.headers()["etag"].to_str().unwrap().to_owned();
    let text = export.text().await.unwrap();
    assert!(!text.contains("geheim") && text.contains("managed-by: git"), "{text}");
    let request = api.client.post(format!("{}/config:apply", api.base)).bearer_auth("test");
    let request = request.header("Content-Type", "application/yaml").header("If-Match", &tag).body(text);
    let same: Value = request.send().await.unwrap().json().await.unwrap();
    for part in ["create", "update", "delete"] {
        assert_eq!(same["plan"][part], json!([]), "{same}");
    }
    assert!(api.store.load_config().await.unwrap().objects.iter().any(|o| o.spec.to_string().contains("geheim")));
}
