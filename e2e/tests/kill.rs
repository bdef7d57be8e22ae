//! Whatever is killed during an incident: one raise, one clear, nothing twice and nothing lost.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ow_bus::StreamName;
use ow_contracts::{IncidentChange, Subject};
use ow_domain::Time;
use ow_domain::capture::Capture;
use ow_domain::incident::ChangeKind;
use ow_domain::verdict::{Measures, Verdict};
use ow_e2e::site::PROBE;
use ow_e2e::{SERVICES, Site, Tap, origin};
use ow_origin::{FaultKind, FaultSpec, ObjectKind, Origin};
use ow_testkit::eventually;
use ow_testkit::receivers::{SlackSink, WebhookSink};
use serde_json::Value;

/// Until an alarm is raised or cleared, restarts of everything in between included.
const TOLD: Duration = Duration::from_secs(60);
const CHANNEL: &str = "victim";
const CHECK: &str = "http-status-segment";

/// A site of processes, two receivers, and one channel whose rendition has lost its segments.
struct World {
    site: Site,
    origin: Origin,
    fault: String,
    webhook: WebhookSink,
    slack: SlackSink,
}

impl World {
    /// Returns when the alarm is raised at both receivers.
    async fn in_an_incident() -> Self {
        let origin = origin().await.unwrap();
        let (webhook, slack) = (WebhookSink::start().await.unwrap(), SlackSink::start("xoxb-test").await.unwrap());
        let site = Site::processes().await.unwrap();
        let lost = FaultSpec::new(FaultKind::HttpStatus { status: 404 });
        let fault = origin.faults.add(lost.rendition("240p").objects(&[ObjectKind::Segment])).unwrap();
        let token = site.secret("slack-token", "xoxb-test").unwrap();
        let yaml = format!(
            "{{apiVersion: ottwatch/v1, kind: Probe, metadata: {{name: {PROBE}}}}}
---
apiVersion: ottwatch/v1
kind: Channel
metadata: {{name: {CHANNEL}}}
spec:
  displayName: Victim
  probes: [{PROBE}]
  streams: [{{name: main, protocol: hls, url: \"{}\"}}]
---
apiVersion: ottwatch/v1
kind: Receiver
metadata: {{name: hook}}
spec: {{type: webhook, url: \"{}\"}}
---
apiVersion: ottwatch/v1
kind: Receiver
metadata: {{name: slack}}
spec: {{type: slack, channel: C0NOC, tokenFile: \"{token}\", apiUrl: \"{}\"}}
---
apiVersion: ottwatch/v1
kind: Route
metadata: {{name: all}}
spec: {{match: [\"channel={CHANNEL}\"], receivers: [hook, slack]}}
",
            origin.hls_ts(CHANNEL),
            webhook.url(),
            slack.api_url()
        );
        site.apply(&yaml).await.unwrap();
        let world = Self { site, origin, fault, webhook, slack };
        world.told("the raise", "ottwatch.incident.raise.v1").await;
        world
    }

    async fn told(&self, what: &str, kind: &str) {
        let posts = if kind.contains("clear") { "chat.update" } else { "chat.postMessage" };
        self.webhook.wait(what, TOLD, |all| all.iter().any(|r| r.body["type"] == kind)).await;
        self.slack.wait(what, TOLD, |all| all.iter().any(|c| c.method == posts)).await;
    }

    /// Measures of fetches that were all made from now on: scheduler, fetcher and validator work.
    async fn judged_anew(&self, after: &str) {
        let bus = self.site.bus().await.unwrap();
        let measures = Tap::<Measures>::start(&bus, "measure.>").await.unwrap();
        let since = Time::from_unix_micros(unix_micros());
        let anew = |m: &Measures| (m.at - since).secs_f64() > m.window_s && m.responses.values().any(|&n| n > 0);
        measures.wait(&format!("measures after {after}"), TOLD, anew).await;
    }

    /// Every kind of change so far of the webhook's incidents, and their numbers.
    fn changes(&self) -> (Vec<String>, BTreeSet<String>) {
        let all = self.webhook.requests();
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let kinds = all.iter().map(|r| text(&r.body["type"])).filter(|t| t.contains(".incident.")).collect();
        let numbers = all.iter().map(|r| text(&r.body["subject"])).filter(|s| s.starts_with("INC-")).collect();
        (kinds, numbers)
    }

    /// Exactly one raise, everywhere, and as many clears as `n_clears`.
    async fn assert_told(&self, n_clears: usize, after: &str) {
        let (kinds, numbers) = self.changes();
        let count = |kind: &str| kinds.iter().filter(|k| k.contains(kind)).count();
        assert_eq!((count("raise"), count("clear"), numbers.len()), (1, n_clears, 1), "after {after}: {kinds:?}");
        let posts = self
            .slack
            .calls()
            .iter()
            .filter(|c| c.method == "chat.postMessage" && c.body["thread_ts"].is_null())
            .count();
        assert_eq!(posts, 1, "after {after}: {:?}", self.slack.calls());
        // A fetcher that was killed is an incident too, of the probe.
        let mut all = self.site.alarms("state=all&include_info=true").await.unwrap();
        all.retain(|a| a["channel"] == CHANNEL);
        assert_eq!(all.len(), 1, "after {after}: {all:?}");
    }

    /// Some segments of the rendition that was lost are there again.
    async fn fetched_anew(&self) {
        let bus = self.site.bus().await.unwrap();
        let captures = Tap::<Capture>::start(&bus, "capture.>").await.unwrap();
        let good = |c: &Capture| {
            let url = c.exchange.url_without_query();
            url.contains("/240p/") && url.ends_with(".ts") && c.exchange.status() == Some(200)
        };
        eventually("segments are there again", TOLD, || async {
            captures.all().iter().filter(|c| good(c)).count() >= 4
        })
        .await;
    }

    /// After the clear: nothing open, nothing told twice, and no more comes while the channel is judged on.
    async fn is_over(&self, after: &str) {
        let over = |all: &[Value]| all.iter().all(|a| a["channel"] != CHANNEL);
        self.site.wait_alarms("nothing is open", TOLD, over).await;
        self.judged_anew(after).await;
        let bus = self.site.bus().await.unwrap();
        self.assert_told(1, after).await;
        let stored = bus.stored(StreamName::Alerts, &Subject::raw(format!("alert.*.{CHANNEL}"))).await.unwrap();
        let stored: Vec<IncidentChange> = stored.iter().map(|m| m.decode().unwrap()).collect();
        let count = |kind| stored.iter().filter(|m| m.0.change == kind).count();
        assert_eq!((count(ChangeKind::Raise), count(ChangeKind::Clear)), (1, 1), "{stored:?}");
        let numbers: BTreeSet<_> = stored.iter().map(|m| m.0.number).collect();
        assert_eq!(numbers.len(), 1, "{stored:?}");
        assert!(stored.iter().all(|m| m.0.check == CHECK), "{stored:?}");
    }
}

fn unix_micros() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_micros()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_process_and_the_bus_are_killed_during_an_incident() {
    let mut world = World::in_an_incident().await;
    for service in SERVICES {
        world.site.restart(service).await.unwrap();
        world.judged_anew(service).await;
        world.assert_told(0, service).await;
    }
    // The server on its data; all services at once after it.
    tokio::task::block_in_place(|| {
        world.site.nats().kill();
        world.site.nats().restart()
    })
    .unwrap();
    world.judged_anew("nats-server").await;
    world.assert_told(0, "nats-server").await;

    assert!(world.origin.faults.remove(&world.fault));
    world.told("the clear", "ottwatch.incident.clear.v1").await;
    world.is_over("the clear").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_judges_and_tells_is_killed_while_the_fault_goes() {
    let mut world = World::in_an_incident().await;
    // The clear happens while none of them runs, or in the middle of their start.
    let down = ["validator", "alert-router", "notifier"];
    for service in down {
        world.site.kill(service).await.unwrap();
    }
    assert!(world.origin.faults.remove(&world.fault));
    world.fetched_anew().await;
    for service in down {
        world.site.start(service).await.unwrap();
    }
    for service in down {
        world.site.restart(service).await.unwrap();
    }
    world.told("the clear", "ottwatch.incident.clear.v1").await;
    world.is_over("the clear").await;
}

/// Reads are answered within a request's time-out while the database is away.
const REFUSED_WITHIN: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_away_while_the_fault_goes() {
    let mut world = World::in_an_incident().await;
    let bus = world.site.bus().await.unwrap();
    let verdicts = Tap::<Verdict>::start(&bus, &format!("verdict.*.{CHANNEL}")).await.unwrap();
    tokio::task::block_in_place(|| world.site.postgres().kill());

    // Reads fail clearly and soon, each of them; what needs no database is answered.
    for path in ["alarms", "channels", "deliveries", "alarms/1/evidence", "channels/victim/manifests", "alarms"] {
        let start = Instant::now();
        let (status, body) = world.site.get(&format!("/api/v1/{path}")).await.unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, body["code"].as_str()), (503, Some("unavailable")), "{path}: {body}");
        assert!(start.elapsed() < REFUSED_WITHIN, "{path} took {:?}", start.elapsed());
    }
    assert_eq!(world.site.get("/api/v1/openapi.json").await.unwrap().0, 200);
    assert_eq!(world.site.get("/api/v1/health").await.unwrap().0, 503);

    // Fetched and judged as before, with the last policy; the verdict that nothing is wrong waits on the bus.
    world.judged_anew("the database went").await;
    assert!(world.origin.faults.remove(&world.fault));
    let well = |verdict: &Verdict| verdict.conditions.iter().all(|c| c.check != CHECK);
    verdicts.wait("a verdict that all is well", TOLD, well).await;
    let (kinds, _) = world.changes();
    assert!(!kinds.iter().any(|kind| kind.contains("clear")), "nobody can have acted on it: {kinds:?}");

    tokio::task::block_in_place(|| world.site.postgres().restart()).unwrap();
    world.told("the clear", "ottwatch.incident.clear.v1").await;
    world.is_over("the database came back").await;
    assert_eq!(world.site.get("/api/v1/health").await.unwrap().0, 200);
}
