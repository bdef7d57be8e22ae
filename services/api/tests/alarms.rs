//! Alarms over HTTP: lists, orders for one and for many, and events as they happen.

use std::collections::BTreeMap;
use std::time::Duration;

use ow_api::{Anonymous, ApiConfig, Deps, serve};
use ow_bus::{Bucket, Bus, BusConfig, Limits};
use ow_domain::incident::{ChangeKind, IncidentNumber, Notice, NotifyJob, ReceiverKind};
use ow_domain::verdict::{Position, Subject, Verdict};
use ow_domain::{ChannelId, ReceiverId, Severity, Time};
use ow_local::{LocalNats, NatsOptions};
use ow_service::Ops;
use ow_store::Store;
use ow_store::alarms::{ChangeRecord, OutboxMessage, StepOutcome, StepRecord, Told};
use ow_testkit::{DEADLINE, eventually, test_bus, test_store};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// SHA-256 of `test`.
const TOKEN_HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

struct Api {
    base: String,
    store: Store,
    bus: Bus,
    client: reqwest::Client,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Api {
    async fn start() -> Self {
        Self::start_on(test_bus().await.unwrap()).await
    }

    async fn start_on(bus: Bus) -> Self {
        let store = test_store().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let config =
            ApiConfig { token_sha256: TOKEN_HASH.into(), anonymous: Anonymous::Viewer, ..ApiConfig::default() };
        let deps = Deps { bus: bus.clone(), store: store.clone(), ops: Ops::default() };
        let stop = shutdown.clone();
        let task = tokio::spawn(async move { serve(listener, config, deps, stop).await.unwrap() });
        // Without a provider reqwest refuses to be built, also for plain HTTP.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { base, store, bus, client, shutdown, task }
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.client.get(format!("{}{path}", self.base)).bearer_auth("test").send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", self.base)).bearer_auth("test").json(&body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// Numbers, in their order.
    async fn listed(&self, query: &str) -> Vec<i64> {
        let (status, page) = self.get(query).await;
        assert_eq!(status, 200, "{query}: {page}");
        page["items"].as_array().unwrap().iter().map(|item| item["number"].as_i64().unwrap()).collect()
    }

    /// Raises alarms of a channel at once.
    async fn raise(&self, channel: &str, group: &str, alarms: &[(&str, Severity)]) -> Vec<IncidentNumber> {
        let channel = ChannelId::new(channel).unwrap();
        let record = self.store.load_channel_alarms(&channel).await.unwrap();
        let seq = record.acted.map_or(1, |p| p.seq + 1);
        let changes = alarms.iter().map(|(check, severity)| {
            let notice = notice(&channel, group, check, *severity);
            let told = Told { receiver: ReceiverId::new("noc").unwrap(), kind: ReceiverKind::Slack };
            ChangeRecord {
                number: None,
                notice,
                told: vec![told],
                jobs: Vec::new(),
                publish: true,
                indeterminate: false,
                owed: false,
            }
        });
        let step = StepRecord {
            channel: channel.clone(),
            before: record.acted,
            operations: record.operations,
            advance: Some((Position { epoch: 1, seq }, Time::UNIX_EPOCH)),
            changes: changes.collect(),
            confirmations: Vec::new(),
            forgotten: Vec::new(),
        };
        match self.store.record_step(&step).await.unwrap() {
            StepOutcome::Recorded(numbers) => numbers,
            StepOutcome::Overtaken => panic!("overtaken"),
        }
    }

    async fn jobs(&self) -> Vec<NotifyJob> {
        let batch = self.store.outbox_batch(1000).await.unwrap().unwrap();
        let jobs = batch.rows.iter().filter_map(|row| match &row.message {
            Ok(OutboxMessage::Notify(job)) => Some(job.as_ref().clone()),
            _ => None,
        });
        let jobs = jobs.collect();
        batch.finish(&[], &[]).await.unwrap();
        jobs
    }

    async fn events(&self, query: &str, last_id: Option<&str>) -> Events {
        let mut request = self.client.get(format!("{}/api/v1/events{query}", self.base));
        if let Some(id) = last_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events { response, text: String::new() }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

struct Events {
    response: reqwest::Response,
    text: String,
}

#[derive(Debug)]
struct Event {
    id: String,
    kind: String,
    data: Value,
}

impl Events {
    /// The next event; comments and `retry` are passed over.
    async fn next(&mut self) -> Event {
        tokio::time::timeout(DEADLINE, self.read()).await.expect("an event in time")
    }

    async fn read(&mut self) -> Event {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|l| l.strip_prefix(name)).map(|v| v.trim().to_owned());
                let found = field("event:").map(|kind| Event {
                    id: field("id:").unwrap(),
                    kind,
                    data: serde_json::from_str(&field("data:").unwrap()).unwrap(),
                });
                self.text = rest.to_owned();
                match found {
                    Some(event) => return event,
                    None => continue,
                }
            }
            let chunk = self.response.chunk().await.unwrap().expect("the stream goes on");
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next one of a kind.
    async fn of(&mut self, kind: &str) -> Event {
        loop {
            let event = self.next().await;
            if event.kind == kind {
                return event;
            }
        }
    }
}

fn notice(channel: &ChannelId, group: &str, check: &str, severity: Severity) -> Notice {
    Notice {
        number: IncidentNumber(0),
        revision: 1,
        change: ChangeKind::Raise,
        severity,
        previous_severity: None,
        channel: channel.clone(),
        channel_name: channel.to_string().to_uppercase(),
        fingerprint: format!("{check}|hls|main|-|-|-"),
        check: check.to_owned(),
        title: format!("Fault {check}"),
        subject: Subject { protocol: None, stream: None, host: None, track: None, reason: None },
        message: "100 % wrong".to_owned(),
        value: "1".to_owned(),
        limit: "0".to_owned(),
        raised_at: Time::parse_rfc3339("2026-11-22T10:00:00Z").unwrap(),
        cleared_at: None,
        clear_reason: None,
        at: Time::parse_rfc3339("2026-11-22T10:00:00Z").unwrap(),
        evidence: None,
        labels: BTreeMap::from([("group".to_owned(), group.to_owned())]),
        packager: Some("pkg-7".to_owned()),
        region: None,
        runbook: None,
        probe: None,
        event: false,
        operation: None,
        ack: None,
        suppressed: Vec::new(),
        reopens: None,
    }
}

/// So many seconds from now.
fn later(seconds: u64) -> String {
    let at = std::time::SystemTime::now() + Duration::from_secs(seconds);
    let since = at.duration_since(std::time::UNIX_EPOCH).unwrap();
    Time::from_unix_micros(i64::try_from(since.as_micros()).unwrap()).to_string()
}

use Severity::{Critical, Major, Minor};

#[tokio::test(flavor = "multi_thread")]
async fn alarms_are_filtered_sorted_and_paged() {
    let api = Api::start().await;
    api.raise("vtv1", "news", &[("a", Minor), ("b", Critical)]).await;
    api.raise("vtv3", "sport", &[("a", Major), ("c", Minor)]).await;
    assert_eq!(api.post("/api/v1/alarms/INC-1:ack", json!({})).await.0, 200);
    assert_eq!(api.post("/api/v1/alarms/3:shelve", json!({"note": "x", "until": later(60)})).await.0, 200);
    assert_eq!(api.post("/api/v1/alarms/4:resolve", json!({"note": "x"})).await.0, 200);
    for (query, expected) in [
        ("alarms", &[3, 2, 1][..]),
        ("incidents", &[4, 3, 2, 1]),
        ("alarms?state=all&sort=number", &[1, 2, 3, 4]),
        ("alarms?state=open", &[2]),
        ("alarms?state=acked,suppressed", &[3, 1]),
        ("alarms?state=cleared", &[4]),
        ("alarms?sort=-severity", &[2, 3, 1]),
        ("alarms?sort=-updated_at", &[3, 1, 2]),
        ("alarms?severity=minor,critical", &[2, 1]),
        ("alarms?min_severity=major", &[3, 2]),
        ("alarms?channel=vtv3", &[3]),
        ("alarms?channel=vtv1,vtv3&check=a", &[3, 1]),
        ("alarms?label.group=news", &[2, 1]),
        ("alarms?label.group=none", &[]),
        ("alarms?packager=pkg-7", &[3, 2, 1]),
        ("alarms?region=hcm", &[]),
        ("alarms?q=FAULT%20b", &[2]),
        ("alarms?q=100%20%25%20wr", &[3, 2, 1]),
        ("alarms?q=10_%20%25", &[]),
        ("incidents?from=2027-01-01T00:00:00Z", &[3, 2, 1]),
        ("incidents?to=2026-11-22T10:00:00Z", &[]),
        ("incidents?to=2026-11-22T10:00:01Z", &[4, 3, 2, 1]),
    ] {
        assert_eq!(api.listed(&format!("/api/v1/{query}")).await, expected, "{query}");
    }
    for sort in ["-number", "number", "-severity", "-updated_at"] {
        let all = api.listed(&format!("/api/v1/incidents?sort={sort}")).await;
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let (_, page) = api.get(&format!("/api/v1/incidents?count=true&limit=1&sort={sort}{cursor}")).await;
            assert_eq!(page["total"], 4);
            seen.push(page["items"][0]["number"].as_i64().unwrap());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, all, "{sort}");
    }
    for bad in ["state=firing", "sort=size", "from=now", "severity=loud"] {
        assert_eq!(api.get(&format!("/api/v1/alarms?{bad}")).await.0, 400, "{bad}");
    }
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_recorded_shown_and_told() {
    let api = Api::start().await;
    let number = api.raise("vtv3", "sport", &[("a", Major)]).await[0];
    let path = format!("/api/v1/alarms/{number}");
    let (status, alarm) = api.post(&format!("{path}:ack"), json!({"note": "on it", "until": later(600)})).await;
    assert_eq!((status, &alarm["state"], &alarm["ack"]["by"]), (200, &json!("acked"), &json!("installation")));
    let (_, alarm) = api.post(&format!("{path}:note"), json!({"note": "called them"})).await;
    assert_eq!((&alarm["revision"], &alarm["operation"]["note"]), (&json!(3), &json!("called them")));
    let (_, alarm) = api.post(&format!("{path}:shelve"), json!({"note": "known", "until": later(600)})).await;
    assert_eq!((&alarm["state"], &alarm["suppressed_by"][0]["kind"]), (&json!("suppressed"), &json!("shelved")));
    // The same again, and what is not so.
    assert_eq!(api.post(&format!("{path}:unack"), json!({})).await.1["revision"], 5);
    assert_eq!(api.post(&format!("{path}:unack"), json!({})).await.1["revision"], 5);
    let (status, alarm) = api.post(&format!("{path}:resolve"), json!({"note": "gone"})).await;
    assert_eq!((status, &alarm["state"], &alarm["clear_reason"]), (200, &json!("cleared"), &json!("forced")));
    let (status, problem) = api.post(&format!("{path}:ack"), json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("not-open")));
    assert_eq!(problem["instance"], format!("{path}:ack"));

    // Of what was told while it was on the shelf nothing, but of its end.
    let jobs = api.jobs().await;
    let told: Vec<_> = jobs.iter().map(|j| (j.notice.revision, j.notice.change)).collect();
    use ChangeKind::{Clear, Update};
    assert_eq!(told, [(2, Update), (3, Update), (4, Update), (6, Clear)]);
    let (_, detail) = api.get(&path).await;
    let history: Vec<&str> =
        detail["history"].as_array().unwrap().iter().map(|e| e["change"].as_str().unwrap()).collect();
    assert_eq!(history, ["raise", "ack", "note", "shelve", "unack", "resolve"]);
    let (_, events) = api.get(&format!("{path}/events?limit=2")).await;
    assert_eq!((&events["items"][1]["actor"], &events["items"][1]["cause"]), (&json!("installation"), &json!("on it")));
    let cursor = events["next_cursor"].as_str().unwrap();
    let (_, events) = api.get(&format!("{path}/events?limit=2&cursor={cursor}")).await;
    assert_eq!(events["items"][0]["change"], "note");

    let number = api.raise("vtv1", "news", &[("b", Minor)]).await[0];
    for (action, body, status, pointer) in [
        ("shelve", json!({"note": "x"}), 422, "/until"),
        ("shelve", json!({"until": later(60)}), 422, "/note"),
        ("shelve", json!({"note": "x", "until": later(9 * 3600)}), 422, "/until"),
        ("shelve", json!({"note": "x", "until": "2020-01-01T00:00:00Z"}), 422, "/until"),
        ("note", json!({}), 422, "/note"),
        ("note", json!({"note": "x".repeat(2001)}), 422, "/note"),
        ("note", json!({"note": "a\u{0}b"}), 422, "/note"),
        ("unack", json!({"until": later(60)}), 422, "/until"),
        ("ack", json!({"why": "x"}), 422, "/why"),
        ("ack", json!([1]), 422, "/0"),
    ] {
        let (found, problem) = api.post(&format!("/api/v1/alarms/{number}:{action}"), body.clone()).await;
        assert_eq!((found, problem["errors"][0]["pointer"].as_str()), (status, Some(pointer)), "{action} {body}");
    }
    assert_eq!(api.post("/api/v1/alarms/INC-999:ack", json!({})).await.0, 404);
    assert_eq!(api.post("/api/v1/alarms/INC-1:explode", json!({})).await.0, 404);
    let anonymous = api.client.post(format!("{}{path}:ack", api.base)).json(&json!({})).send().await.unwrap();
    assert_eq!(anonymous.status(), 401);
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_for_many_are_guarded_and_tell_of_each() {
    let api = Api::start().await;
    for channel in ["vtv1", "vtv2", "vtv3"] {
        api.raise(channel, "news", &[("a", Minor), ("b", Critical)]).await;
    }
    let (status, problem) =
        api.post("/api/v1/alarms:ack", json!({"filter": {"severity": ["critical"]}, "expect_count": 2})).await;
    assert_eq!((status, &problem["code"], &problem["current"]["count"]), (409, &json!("count-differs"), &json!(3)));
    assert_eq!(api.listed("/api/v1/alarms?state=acked").await, [0; 0]);
    let body = json!({"filter": {"severity": ["critical"]}, "expect_count": 3, "note": "all mine"});
    let (status, done) = api.post("/api/v1/alarms:ack", body).await;
    assert_eq!((status, &done["n_changed"]), (200, &json!(3)), "{done}");
    assert_eq!(api.listed("/api/v1/alarms?state=acked").await, [6, 4, 2]);

    assert_eq!(api.post("/api/v1/alarms/1:resolve", json!({"note": "x"})).await.0, 200);
    let ids = json!(["INC-1", "2", "3", "INC-3", "INC-77"]);
    let (_, done) = api.post("/api/v1/alarms:ack", json!({"ids": ids, "note": "all mine"})).await;
    let items: Vec<_> =
        done["items"].as_array().unwrap().iter().map(|i| (&i["id"], &i["result"], &i["code"])).collect();
    let mut items: Vec<String> = items.iter().map(|(id, result, code)| format!("{id} {result} {code}")).collect();
    items.sort();
    assert_eq!(
        items,
        [
            r#""INC-1" "failed" "not-open""#,
            r#""INC-2" "unchanged" null"#,
            r#""INC-3" "changed" null"#,
            r#""INC-77" "failed" "not-found""#,
        ]
    );
    assert_eq!((&done["n_changed"], &done["n_unchanged"], &done["n_failed"]), (&json!(1), &json!(1), &json!(2)));
    for (body, pointer) in [
        (json!({}), "/ids"),
        (json!({"ids": []}), "/ids"),
        (json!({"ids": ["x"]}), "/ids/0"),
        (json!({"ids": vec!["1"; 501]}), "/ids"),
        (json!({"filter": {}}), "/expect_count"),
        (json!({"filter": {"colour": "red"}, "expect_count": 1}), "/filter/colour"),
        (json!({"filter": {}, "ids": ["1"], "expect_count": 1}), "/ids"),
    ] {
        let (status, problem) = api.post("/api/v1/alarms:ack", body.clone()).await;
        assert_eq!((status, problem["errors"][0]["pointer"].as_str()), (422, Some(pointer)), "{body}");
    }
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_watch_what_happens_and_come_back_where_they_were() {
    let api = Api::start().await;
    let mut clients = Vec::new();
    for n in 0..200 {
        let query = ["", "?min_severity=critical", "?channel=vtv9", "?kinds=alarm&label.group=sport"][n % 4];
        let mut events = api.events(query, None).await;
        assert_eq!(events.of("ready").await.kind, "ready");
        clients.push((n % 4, events));
    }
    let number = api.raise("vtv3", "sport", &[("a", Major)]).await[0];
    let mut place = String::new();
    for (view, events) in clients.iter_mut().filter(|(view, _)| *view == 0 || *view == 3) {
        let event = events.of("alarm").await;
        assert_eq!((&event.data["id"], &event.data["state"]), (&json!(number.to_string()), &json!("open")), "{view}");
        place = event.id;
    }
    // Many changes of one object within a moment are one event, of how it is then.
    for n in 0..10 {
        api.post(&format!("/api/v1/alarms/{number}:note"), json!({"note": format!("note {n}")})).await;
    }
    let critical = api.raise("vtv9", "news", &[("z", Critical)]).await[0];
    let mut n_events = 0;
    let mut events = api.events("", Some(&place)).await;
    loop {
        let event = events.of("alarm").await;
        if event.data["number"] == critical.0 {
            break;
        }
        assert_eq!(event.data["number"], number.0);
        n_events += 1;
    }
    assert!((1..=6).contains(&n_events), "{n_events}");
    for (view, events) in clients.iter_mut().filter(|(view, _)| *view == 1 || *view == 2) {
        assert_eq!(events.of("alarm").await.data["number"], critical.0, "{view}");
    }
    drop(clients);

    // Channels and configuration.
    let mut events = api.events("?kinds=channel,config", None).await;
    events.of("ready").await;
    let verdict = Verdict {
        channel: ChannelId::new("vtv3").unwrap(),
        name: "VTV3".into(),
        position: Position { epoch: 1, seq: 1 },
        as_of: Time::UNIX_EPOCH,
        policy_revision: 1,
        retired: None,
        severity: Major,
        conditions: Vec::new(),
        labels: BTreeMap::new(),
        packager: None,
        region: None,
        runbook: None,
        streams: Vec::new(),
    };
    api.bus.kv::<Verdict>(Bucket::Status).put("vtv3", &verdict).await.unwrap();
    assert_eq!(events.of("channel").await.data["severity"], "major");
    let probe = "{apiVersion: ottwatch/v1, kind: Probe, metadata: {name: p1}}";
    let request = api.client.post(format!("{}/api/v1/config:apply", api.base)).bearer_auth("test").body(probe);
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert_eq!(events.of("config").await.data, json!({"kind": "probe"}));
    // Of another process, or long ago.
    assert_eq!(api.events("", Some("other-7")).await.next().await.kind, "reset");
    for (bad, status) in [("?kinds=weather", 400), ("?severity=loud", 400), ("?bogus=1", 400)] {
        assert_eq!(api.get(&format!("/api/v1/events{bad}")).await.0, status);
    }
    // Streams of one principal are limited, and given back.
    let mut open = Vec::new();
    let url = format!("{}/api/v1/events", api.base);
    let refused = loop {
        let response = api.client.get(&url).bearer_auth("test").send().await.unwrap();
        if response.status() != 200 {
            break response;
        }
        open.push(response);
        assert!(open.len() <= 32);
    };
    assert_eq!(
        (open.len(), refused.status().as_u16(), &refused.headers()["retry-after"]),
        (32, 429, &"10".parse().unwrap())
    );
    drop(open);
    eventually("the seats are free again", DEADLINE, || async {
        api.client.get(&url).bearer_auth("test").send().await.unwrap().status() == 200
    })
    .await;
    // Streams do not hold up the end.
    tokio::time::timeout(Duration::from_secs(10), api.stop()).await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_go_on_when_nats_comes_back() {
    let home = tempfile::tempdir().unwrap();
    let mut nats = LocalNats::start(NatsOptions::new(home.path())).unwrap();
    let bus = Bus::connect(BusConfig::new(nats.client_url(), "test")).await.unwrap();
    bus.ensure_topology(&Limits::tests()).await.unwrap();
    let api = Api::start_on(bus).await;
    let mut events = api.events("", None).await;
    events.of("ready").await;
    nats.kill();
    // Alarms do not need it.
    let number = api.raise("vtv3", "sport", &[("a", Major)]).await[0];
    assert_eq!(events.of("alarm").await.data["number"], number.0);
    nats.restart().unwrap();
    let verdict = |severity| {
        json!({"channel": "vtv3", "name": "VTV3", "position": {"epoch": 1, "seq": 1}, "as_of": "2026-11-22T10:00:00Z",
            "policy_revision": 1, "severity": severity, "conditions": []})
    };
    let board = api.bus.kv::<Value>(Bucket::Status);
    eventually("the bus is back", DEADLINE, || async { board.put("vtv3", &verdict("minor")).await.is_ok() }).await;
    assert_eq!(events.of("channel").await.data["name"], "vtv3");
    eventually("again", DEADLINE, || async { board.put("vtv3", &verdict("critical")).await.is_ok() }).await;
    loop {
        if events.of("channel").await.data["severity"] == "critical" {
            break;
        }
    }
    api.stop().await;
}

const ROUTES: &str = "
{apiVersion: ottwatch/v1, kind: Receiver, metadata: {name: noc}, spec: {type: webhook, url: 'http://127.0.0.1:9/'}}
---
{apiVersion: ottwatch/v1, kind: Receiver, metadata: {name: boss}, spec: {type: webhook, url: 'http://127.0.0.1:9/', minSeverity: critical}}
---
{apiVersion: ottwatch/v1, kind: Route, metadata: {name: sport}, spec: {order: 1, match: ['label.group=sport'], receivers: [noc, boss]}}
---
{apiVersion: ottwatch/v1, kind: Route, metadata: {name: rest}, spec: {order: 2, receivers: [boss]}}
---
{apiVersion: ottwatch/v1, kind: Silence, metadata: {name: works}, spec: {matchers: ['channel=vtv9'], startsAt: 2026-01-01T00:00:00Z, endsAt: 2026-12-31T00:00:00Z, comment: x}}
";

/// Does what a notifier does, without sending anything.
#[derive(Clone)]
struct Notifier(Store);

impl ow_bus::Handler<NotifyJob> for Notifier {
    async fn handle(&self, delivered: ow_bus::Delivered<NotifyJob>) -> ow_bus::Outcome {
        use ow_domain::incident::{Delivery, DeliveryOutcome};
        let job = &delivered.message;
        assert!(job.is_test());
        self.0.delivery_begin(job, "x", Duration::from_secs(5)).await.unwrap();
        let sending = self.0.delivery_sending(job).await.unwrap();
        let good = job.receiver.as_str() == "noc";
        let delivery = Delivery {
            receiver: job.receiver.clone(),
            kind: job.kind,
            number: job.notice.number,
            revision: job.notice.revision,
            change: job.notice.change,
            outcome: if good { DeliveryOutcome::Delivered } else { DeliveryOutcome::Failed },
            attempts: sending.attempts,
            at: job.notice.at,
            detail: format!("{} {}", job.notice.change, job.notice.severity),
        };
        self.0.delivery_end(&delivery, &Default::default(), "x").await.unwrap();
        ow_bus::Outcome::Done
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_explain_themselves_and_receivers_are_tested() {
    let api = Api::start().await;
    let request = api.client.post(format!("{}/api/v1/config:apply", api.base)).bearer_auth("test").body(ROUTES);
    assert_eq!(request.send().await.unwrap().status(), 200);
    let number = api.raise("vtv3", "sport", &[("a", Major)]).await[0];
    let (status, found) = api.get(&format!("/api/v1/routes:explain?alarm={number}")).await;
    assert_eq!((status, &found["would_tell"], &found["was_told"]), (200, &json!(["noc"]), &json!(["noc"])), "{found}");
    assert_eq!(found["receivers"][1]["why_not"], "it hears from severity critical on");
    assert_eq!((&found["routes"][1]["reached"], &found["routes"][1]["matches"]), (&json!(false), &json!(true)));
    let asked = json!({"channel": "vtv1", "severity": "critical"});
    let (_, found) = api.post("/api/v1/routes:explain", asked).await;
    assert_eq!((&found["would_tell"], &found["routes"][0]["matches"]), (&json!(["boss"]), &json!(false)));
    let asked = json!({"channel": "vtv9", "severity": "critical", "labels": {"group": "sport"}});
    let (_, found) = api.post("/api/v1/routes:explain", asked).await;
    assert_eq!((&found["would_tell"], &found["suppressed_by"][0]["by"]), (&json!([]), &json!("works")));
    for (body, status) in
        [(json!({}), 422), (json!({"channel": "vtv1", "protocol": "rtmp"}), 422), (json!({"alarm": "INC-99"}), 404)]
    {
        assert_eq!(api.post("/api/v1/routes:explain", body.clone()).await.0, status, "{body}");
    }
    assert_eq!(api.get("/api/v1/routes:explain").await.0, 400);

    let (bus, handler) = (api.bus.clone(), std::sync::Arc::new(Notifier(api.store.clone())));
    let spec = ow_bus::ConsumerSpec::notifier(ReceiverKind::Webhook, 1);
    let notifier = tokio::spawn(async move { bus.consume(spec, handler, CancellationToken::new()).await });
    for (receiver, result, detail) in [("noc", "delivered", "raise warning"), ("boss", "failed", "raise critical")] {
        let (status, answer) = api.post(&format!("/api/v1/receivers/{receiver}:test"), json!({})).await;
        assert_eq!((status, &answer["result"], &answer["detail"]), (200, &json!(result), &json!(detail)), "{answer}");
        assert_ne!(answer["id"], number.to_string());
    }
    assert_eq!(api.post("/api/v1/receivers/nobody:test", json!({})).await.0, 404);
    notifier.abort();
    api.stop().await;
}
