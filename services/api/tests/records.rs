//! What was served, told and given up, over HTTP: deliveries, dead letters, evidence, manifests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ow_api::{ApiConfig, Deps, serve};
use ow_bus::{Bus, ConsumerSpec, Delivered, Handler, Outcome};
use ow_domain::capture::ObjectKind;
use ow_domain::incident::{ChangeKind, Delivery, DeliveryOutcome, IncidentNumber, Notice, NotifyJob, ReceiverKind};
use ow_domain::verdict::{Evidence, Position};
use ow_domain::{ChannelId, ReceiverId, Span, Time};
use ow_service::Ops;
use ow_store::Store;
use ow_store::alarms::{ChangeRecord, StepOutcome, StepRecord};
use ow_store::deliveries::{Begin, DeliveryEnd};
use ow_store::manifests::{ManifestLoad, ManifestText};
use ow_testkit::{DEADLINE, eventually, test_bus, test_store};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// SHA-256 of `test`.
const TOKEN_HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const SERVED: &str = "2026-11-22T09:41:00.000000Z";

struct Api {
    base: String,
    bus: Bus,
    store: Store,
    client: reqwest::Client,
    _stop: tokio_util::sync::DropGuard,
}

impl Api {
    async fn start() -> Self {
        let (bus, store) = (test_bus().await.unwrap(), test_store().await.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/api/v1", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let config = ApiConfig { token_sha256: TOKEN_HASH.into(), ..ApiConfig::default() };
        let deps = Deps { bus: bus.clone(), store: store.clone(), ops: Ops::default() };
        let token = stop.clone();
        tokio::spawn(async move { serve(listener, config, deps, token).await.unwrap() });
        // Without a provider reqwest refuses to be built, also for plain HTTP.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { base, bus, store, client, _stop: stop.drop_guard() }
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.client.get(format!("{}{path}", self.base)).bearer_auth("test").send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn items(&self, path: &str) -> Vec<Value> {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body["items"].as_array().unwrap().clone()
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", self.base)).bearer_auth("test");
        let request = request.header("content-type", "application/json").body(body.to_string());
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }
}

fn digest(text: &str) -> String {
    format!("{:0>64}", text.bytes().fold(7_u64, |h, b| h.wrapping_mul(31).wrapping_add(u64::from(b))))
}

fn notice(evidence: Option<Evidence>) -> Notice {
    let mut notice: Notice = serde_json::from_value(json!({
        "number": 0, "revision": 1, "change": "raise", "severity": "major", "channel": "vtv3", "channel_name": "VTV3",
        "fingerprint": "a", "check": "hls-playlist-stale", "title": "HLS playlist stale", "subject": {},
        "message": "Not changed for 24.3 s", "value": "24.3 s", "limit": "18 s",
        "raised_at": SERVED, "at": SERVED,
    }))
    .unwrap();
    notice.evidence = evidence;
    notice
}

async fn raise(store: &Store, evidence: Option<Evidence>) -> IncidentNumber {
    let change = ChangeRecord {
        number: None,
        notice: notice(evidence),
        told: Vec::new(),
        jobs: Vec::new(),
        publish: true,
        indeterminate: false,
        owed: false,
    };
    let step = StepRecord {
        channel: ChannelId::new("vtv3").unwrap(),
        before: None,
        operations: 0,
        advance: Some((Position { epoch: 1, seq: 1 }, Time::UNIX_EPOCH)),
        changes: vec![change],
        confirmations: Vec::new(),
        forgotten: Vec::new(),
    };
    match store.record_step(&step).await.unwrap() {
        StepOutcome::Recorded(numbers) => numbers[0],
        StepOutcome::Overtaken => panic!("overtaken"),
    }
}

fn job(receiver: &str, number: IncidentNumber) -> NotifyJob {
    let notice = Notice { number, ..notice(None) };
    NotifyJob { receiver: ReceiverId::new(receiver).unwrap(), kind: ReceiverKind::Slack, notice, deadline: None }
}

async fn deliver(store: &Store, job: &NotifyJob, outcome: DeliveryOutcome) {
    assert!(matches!(store.delivery_begin(job, "n", Duration::from_secs(5)).await.unwrap(), Begin::Ready(_)));
    let attempts = store.delivery_sending(job).await.unwrap().attempts;
    let delivery = Delivery {
        receiver: job.receiver.clone(),
        kind: job.kind,
        number: job.notice.number,
        revision: 1,
        change: ChangeKind::Raise,
        outcome,
        attempts,
        at: Time::UNIX_EPOCH,
        detail: "404 channel_not_found".to_owned(),
    };
    store.delivery_end(&delivery, &DeliveryEnd::default(), "n").await.unwrap();
}

/// Rejects notices to `noc` as long as it is told to, and remembers the others.
struct Notifier {
    rejects: std::sync::atomic::AtomicBool,
    told: tokio::sync::mpsc::UnboundedSender<String>,
}

impl Handler<NotifyJob> for Notifier {
    async fn handle(&self, delivered: Delivered<NotifyJob>) -> Outcome {
        if self.rejects.load(std::sync::atomic::Ordering::Relaxed) {
            return Outcome::Reject("no such channel".to_owned());
        }
        let _ = self.told.send(delivered.message.receiver.to_string());
        Outcome::Done
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_listed_and_sent_again_and_dead_letters_put_back_or_thrown_away() {
    let api = Api::start().await;
    let number = raise(&api.store, None).await;
    let (noc, mail) = (job("noc", number), job("mail", number));
    deliver(&api.store, &noc, DeliveryOutcome::Failed).await;
    deliver(&api.store, &mail, DeliveryOutcome::Delivered).await;

    let all = api.items("/deliveries").await;
    assert_eq!(all.iter().map(|d| d["id"].as_str().unwrap()).collect::<Vec<_>>(), ["1-1-mail", "1-1-noc"]);
    assert_eq!(
        (&all[1]["outcome"], &all[1]["channel"], &all[1]["incident"], &all[1]["sequence"]),
        (&json!("failed"), &json!("vtv3"), &json!("INC-1"), &json!(1))
    );
    for (filter, n) in [
        ("outcome=failed", 1),
        ("outcome=pending", 0),
        ("receiver=mail", 1),
        ("incident=INC-1", 2),
        ("incident=7", 0),
        ("channel=vtv3&kind=slack", 2),
        ("channel=vtv1", 0),
        ("from=2020-01-01T00:00:00Z", 2),
        ("to=2020-01-01T00:00:00Z", 0),
    ] {
        assert_eq!(api.items(&format!("/deliveries?{filter}")).await.len(), n, "{filter}");
    }
    let (_, page) = api.get("/deliveries?limit=1&count=true").await;
    assert_eq!(page["total"], 2);
    let next = api.items(&format!("/deliveries?limit=1&cursor={}", page["next_cursor"].as_str().unwrap())).await;
    assert_eq!(next[0]["id"], "1-1-noc");
    let wrong = "/deliveries?outcome=lost&incident=x&from=yesterday&receiver=A%20B";
    assert_eq!(api.get(wrong).await.1["errors"].as_array().unwrap().len(), 4);
    assert_eq!(api.get("/deliveries/1-1-noc").await.1["detail"], "404 channel_not_found");
    for unknown in ["1-2-noc", "x", "1-1-other"] {
        assert_eq!(api.get(&format!("/deliveries/{unknown}")).await.0, 404, "{unknown}");
    }

    // The notifier gave it up: there is a dead letter, too.
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let notifier = Arc::new(Notifier { rejects: true.into(), told });
    let spec = ConsumerSpec::notifier(ReceiverKind::Slack, 4);
    let (bus, handler, stop) = (api.bus.clone(), notifier.clone(), CancellationToken::new());
    let consuming = tokio::spawn({
        let stop = stop.clone();
        async move { bus.consume::<NotifyJob, _>(spec, handler, stop).await.unwrap() }
    });
    for job in [&noc, &mail, &job("third", number)] {
        api.bus.publish(job).await.unwrap();
    }
    let letters = async || api.items("/dead-letters?stream=NOTIFY").await;
    eventually("three dead letters", DEADLINE, || async { letters().await.len() == 3 }).await;
    notifier.rejects.store(false, std::sync::atomic::Ordering::Relaxed);
    let mut of = BTreeMap::new();
    for letter in letters().await {
        assert_eq!((&letter["reason"], &letter["channel"]), (&json!("no such channel"), &json!("vtv3")));
        let receiver = letter["subject"].as_str().unwrap().rsplit('.').next().unwrap().to_owned();
        of.insert(receiver, letter["number"].as_u64().unwrap());
    }
    assert_eq!(api.items("/dead-letters?channel=vtv1").await.len(), 0);
    let (_, letter) = api.get(&format!("/dead-letters/{}", of["noc"])).await;
    assert!(letter["message"].as_str().unwrap().contains("HLS playlist stale"), "{letter}");
    assert_eq!(api.get("/dead-letters/999").await.0, 404);

    // Sent again although the server still remembers the id of the first time.
    let (status, body) = api.post("/deliveries:resend", json!({"ids": ["1-1-noc", "1-1-mail", "9-1-noc"]})).await;
    let results: Vec<_> = body["results"].as_array().unwrap().iter().map(|r| r["result"].clone()).collect();
    assert_eq!((status, results), (200, vec![json!("queued"), json!("already-delivered"), json!("not-found")]));
    assert_eq!(tokio::time::timeout(DEADLINE, heard.recv()).await.unwrap().unwrap(), "noc");
    let (_, again) = api.get("/deliveries/1-1-noc").await;
    assert_eq!((&again["outcome"], &again["resends"], &again["attempts"]), (&json!("deferred"), &json!(1), &json!(0)));

    let numbers = json!({"numbers": [of["noc"], of["mail"], of["third"], 999]});
    let (_, body) = api.post("/dead-letters:retry", numbers).await;
    let results: Vec<_> = body["results"].as_array().unwrap().iter().map(|r| r["result"].clone()).collect();
    let expected = ["retried", "already-delivered", "retried", "not-found"].map(|word| json!(word));
    assert_eq!(results, expected, "the third is not in the log: as it was");
    let mut both = [heard.recv().await.unwrap(), heard.recv().await.unwrap()];
    both.sort();
    assert_eq!(both, ["noc", "third"]);
    assert_eq!(letters().await.len(), 0);

    notifier.rejects.store(true, std::sync::atomic::Ordering::Relaxed);
    api.bus.publish(&job("fourth", number)).await.unwrap();
    eventually("one more", DEADLINE, || async { letters().await.len() == 1 }).await;
    let number = letters().await[0]["number"].clone();
    let (_, body) = api.post("/dead-letters:discard", json!({"numbers": [number, number]})).await;
    assert_eq!(
        (&body["results"][0]["result"], &body["results"][1]["result"]),
        (&json!("discarded"), &json!("not-found"))
    );
    assert_eq!(letters().await.len(), 0);
    stop.cancel();
    consuming.await.unwrap();

    let audit = ow_store::audit::AuditFilter { limit: 50, ..Default::default() };
    let trail = api.store.audit(&audit).await.unwrap();
    let done: Vec<_> = trail.iter().rev().map(|e| (e.action.as_str(), e.kind.as_str())).collect();
    let letter = |word| (word, "DeadLetter");
    let resend = ("resend", "Delivery");
    assert_eq!(done, [resend, letter("retry"), resend, letter("retry"), letter("retry"), letter("discard")]);
    for (path, body, pointer) in [
        ("/deliveries:resend", json!({"ids": []}), "/ids"),
        ("/deliveries:resend", json!({"ids": ["1-1-noc", "x"]}), "/ids/1"),
        ("/dead-letters:retry", json!({"numbers": vec![1; 101]}), "/numbers"),
        ("/dead-letters:discard", json!({"numbers": [-1]}), "/numbers/0"),
    ] {
        let (status, problem) = api.post(path, body).await;
        assert_eq!((status, problem["errors"][0]["pointer"].as_str()), (422, Some(pointer)), "{path}");
    }
}

fn load(at: Time, track: Option<&str>, text: &str) -> ManifestLoad {
    ManifestLoad {
        channel: "vtv3".into(),
        stream: "main".into(),
        object: if track.is_some() { ObjectKind::MediaPlaylist } else { ObjectKind::Mvp },
        track: track.map(str::to_owned),
        probe: "p1".into(),
        at,
        url: "http://origin.example/a.m3u8".into(),
        status: Some(200),
        failure: None,
        digest: Some(digest(text)),
        body: Some(ManifestText { text: text.to_owned(), lossy: false }),
        capture: "c".into(),
    }
}

fn playlist(first: u64) -> String {
    let list: String = (first..first + 3).map(|n| format!("#EXTINF:6,\ns{n}.ts\n")).collect();
    format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:{first}\n{list}")
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_are_found_by_time_and_digest_compared_and_linked_from_the_evidence() {
    let api = Api::start().await;
    let start = Time::parse_rfc3339(SERVED).unwrap();
    let at = |s: i64| start + Span::from_secs(s);
    let (master, first, second) = ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n", playlist(8), playlist(11));
    let loads = [load(at(0), None, master), load(at(1), Some("v1"), &first), load(at(7), Some("v1"), &second)];
    api.store.add_manifests(&loads).await.unwrap();

    let base = "/channels/vtv3/manifests";
    let range = "from=2026-11-22T09:40:00Z&to=2026-11-22T09:50:00Z";
    let tracks = |items: &[Value]| items.iter().map(|i| i["track"].as_str().map(str::to_owned)).collect::<Vec<_>>();
    let v1 = || Some("v1".to_owned());
    assert_eq!(tracks(&api.items(&format!("{base}?{range}")).await), [None, v1(), v1()]);
    assert_eq!(api.items(&format!("{base}?{range}&playlist=v1&stream=main&object=media-playlist")).await.len(), 2);
    let none = api.get(&format!("{base}?{range}&playlist=v2&probe=p1")).await.0;
    assert_eq!(none, 404, "of a channel that is configured no more and has nothing kept");
    let (_, page) = api.get(&format!("{base}?{range}&limit=2")).await;
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_eq!(api.items(&format!("{base}?{range}&limit=2&cursor={cursor}")).await[0]["digest"], digest(&second));

    let (_, served) = api.get(&format!("{base}:at?time=2026-11-22T09:41:05Z&playlist=v1")).await;
    assert_eq!(served["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(served["manifests"][0]["text"], first);
    let (_, diff) = api.get(&format!("{base}:diff?from=2026-11-22T09:41:05Z&to=2026-11-22T09:41:10Z")).await;
    let differences = diff["differences"].as_array().unwrap();
    assert_eq!((&differences[0]["same"], &differences[1]["same"]), (&json!(true), &json!(false)));
    assert_eq!(differences[1]["meaning"][0], "window moved from MSN 8..10 to 11..13: no segment is in both");
    assert!(differences[1]["unified"].as_str().unwrap().contains("-#EXT-X-MEDIA-SEQUENCE:8\n"), "{diff}");
    let (_, body) = api.get(&format!("/manifests/{}", digest(&second))).await;
    assert_eq!((&body["text"], &body["lossy"]), (&json!(second), &json!(false)));

    for (path, status) in [
        (format!("/manifests/{}", "0".repeat(64)), 404),
        ("/manifests/short".to_owned(), 404),
        ("/channels/vtv9/manifests".to_owned(), 404),
        ("/channels/V%20x/manifests".to_owned(), 404),
        (format!("{base}:at"), 400),
        (format!("{base}:at?time=soon"), 400),
        (format!("{base}:diff?from=2026-11-22T09:41:05Z"), 400),
        (format!("{base}?object=segment"), 400),
    ] {
        assert_eq!(api.get(&path).await.0, status, "{path}");
    }

    let evidence = Evidence {
        capture: "c".into(),
        probe: None,
        url: "http://origin.example/a.m3u8".into(),
        t_req: at(6),
        t_end: at(7),
        status: Some(200),
        headers: vec![("age".into(), "7".into())],
        digest: Some(digest(&second)),
        previous_digest: Some("f".repeat(64)),
        line: Some(3),
        facts: vec![("target duration".into(), "6 s".into())],
        clock_uncertainty_us: 900,
    };
    let number = raise(&api.store, Some(evidence)).await;
    let (_, proof) = api.get(&format!("/alarms/{number}/evidence")).await;
    assert_eq!(proof["facts"], json!([{"name": "target duration", "value": "6 s"}]));
    assert_eq!((&proof["exchange"]["status"], &proof["bodies"][0]["line"]), (&json!(200), &json!(3)));
    assert_eq!(proof["bodies"][1], json!({"which": "before", "digest": "f".repeat(64), "line": null, "href": null}));
    // The links lead where they say.
    let follow = |link: &Value| link.as_str().unwrap().strip_prefix("/api/v1").unwrap().to_owned();
    assert_eq!(api.get(&follow(&proof["bodies"][0]["href"])).await.1["text"], second);
    let (_, then) = api.get(&follow(&proof["manifests"])).await;
    assert_eq!(then["manifests"][1]["text"], second, "{then}");
    assert_eq!(api.get("/alarms/INC-99/evidence").await.0, 404);
}
