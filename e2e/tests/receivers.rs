//! From a fault on the wire to the people: real snmptrapd, a real mail server, Slack's calls. Each receiver hears each
//! fault once, its end once, and nothing else.

use std::time::Duration;

use ow_contracts::IncidentChange;
use ow_domain::capture::Capture;
use ow_domain::incident::{ChangeKind, Notice};
use ow_domain::{Severity, Time};
use ow_e2e::site::{PROBE, PROBE_YAML};
use ow_e2e::{Site, Tap};
use ow_origin::{FaultKind, FaultSpec, ObjectKind};
use ow_testkit::DEADLINE;
use ow_testkit::receivers::{SlackSink, SmtpOptions, SmtpSecurity, SmtpSink, SnmpTrapd, Trap, TrapdOptions, V3User};

const CHANNEL: &str = "vtv3";
const NAME: &str = "VTV3 HD – thử";
const TOKEN: &str = "xoxb-e2e";
/// Target duration of the origin's playlists, seconds.
const TD: f64 = 2.0;
/// Longest time between two polls of a playlist that does not change: half a target duration and its jitter.
const POLL: f64 = 0.6 * TD;
/// On top of the promise, for a machine that builds and tests at the same time.
const BUSY: f64 = 2.0;
const EVENT_TTL_S: u32 = 8;

/// Everybody who is told.
struct Receivers {
    v2c: SnmpTrapd,
    v3: SnmpTrapd,
    mail: SmtpSink,
    slack: SlackSink,
}

/// What one receiver was told, so that all can be compared: incident, change, severity, check and text.
type Told = (String, ChangeKind, Severity, String, String);

impl Receivers {
    async fn start() -> Self {
        let user = V3User {
            name: "noc".to_owned(),
            auth: "SHA-256".to_owned(),
            auth_password: "auth-secret-1".to_owned(),
            privacy: "AES".to_owned(),
            privacy_password: "priv-secret-1".to_owned(),
            engine_id: None,
        };
        let login = Some(("ottwatch".to_owned(), "mail-secret".to_owned()));
        Self {
            v2c: SnmpTrapd::start(TrapdOptions::default()).await.unwrap(),
            v3: SnmpTrapd::start(TrapdOptions { users: vec![user], ..TrapdOptions::default() }).await.unwrap(),
            mail: SmtpSink::start(SmtpOptions { security: SmtpSecurity::StartTls, login }).await.unwrap(),
            slack: SlackSink::start(TOKEN).await.unwrap(),
        }
    }

    fn documents(&self, site: &Site) -> String {
        let secret = |name: &str, text: &str| site.secret(name, text).unwrap();
        format!(
            r##"
---
apiVersion: ottwatch/v1
kind: Receiver
metadata: {{name: nms-v2c}}
spec: {{type: snmp, target: "{v2c}", version: v2c, mode: trap, heartbeatSeconds: 5}}
---
apiVersion: ottwatch/v1
kind: Receiver
metadata: {{name: nms-v3}}
spec: {{type: snmp, target: "{v3}", version: v3, mode: inform, user: noc, auth: SHA256, authPasswordFile: "{auth}",
  privacy: AES128, privacyPasswordFile: "{privacy}"}}
---
apiVersion: ottwatch/v1
kind: Receiver
metadata: {{name: noc-mail}}
spec: {{type: email, host: localhost, port: {port}, tls: starttls, username: ottwatch, passwordFile: "{password}",
  caFile: "{ca}", from: "ottwatch@example.net", to: [noc@example.net]}}
---
apiVersion: ottwatch/v1
kind: Receiver
metadata: {{name: noc-slack}}
spec: {{type: slack, mode: bot, tokenFile: "{token}", channel: "#noc", apiUrl: "{slack}"}}
---
apiVersion: ottwatch/v1
kind: Route
metadata: {{name: everything}}
spec: {{match: ["severity>=warning"], receivers: [nms-v2c, nms-v3, noc-mail, noc-slack]}}
"##,
            v2c = self.v2c.target(),
            v3 = self.v3.target(),
            auth = secret("snmp-auth", "auth-secret-1"),
            privacy = secret("snmp-privacy", "priv-secret-1"),
            port = self.mail.port(),
            password = secret("smtp-password", "mail-secret"),
            ca = secret("smtp-ca.pem", self.mail.ca_pem()),
            token = secret("slack-token", TOKEN),
            slack = self.slack.api_url(),
        )
    }

    fn told(&self) -> [(&'static str, Vec<Told>); 4] {
        [
            ("nms-v2c", snmp(&self.v2c)),
            ("nms-v3", snmp(&self.v3)),
            ("noc-mail", mails(&self.mail)),
            ("noc-slack", slack(&self.slack)),
        ]
    }

    /// Waits until each has been told exactly this, and checks the words of each.
    async fn wait_told(&self, notices: &[Notice]) {
        let end = tokio::time::Instant::now() + DEADLINE;
        for name in ["nms-v2c", "nms-v3", "noc-mail", "noc-slack"] {
            let expected: Vec<Told> = notices.iter().map(|n| as_told_by(name, n)).collect();
            loop {
                let told = self.told().into_iter().find(|(n, _)| *n == name).map(|(_, t)| t).unwrap_or_default();
                if told == expected {
                    break;
                }
                assert!(
                    told.len() <= expected.len() && tokio::time::Instant::now() < end,
                    "{name} was told\n{told:#?}\nexpected\n{expected:#?}"
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// A notice in the words of a receiver.
fn as_told_by(receiver: &str, n: &Notice) -> Told {
    let text = match (receiver, n.change) {
        ("nms-v2c" | "nms-v3", _) => format!("{}: {}", n.title, n.message),
        ("noc-mail", _) => format!("[ottwatch] {NAME}: {} ({})", n.title, n.number),
        (_, ChangeKind::Clear) => format!("RESOLVED {NAME}: {}", n.title),
        _ => format!("{} {NAME}: {} {}", n.severity.as_str().to_uppercase(), n.title, n.value),
    };
    (n.number.to_string(), n.change, n.severity, n.check.clone(), text)
}

/// Told a second time it is an update: each station keeps the state of an alarm.
fn change(earlier: &[Told], incident: &str, cleared: bool) -> ChangeKind {
    match (cleared, earlier.iter().any(|(number, ..)| number == incident)) {
        (true, _) => ChangeKind::Clear,
        (false, true) => ChangeKind::Update,
        (false, false) => ChangeKind::Raise,
    }
}

fn is_alarm(trap: &Trap) -> bool {
    trap.name() != "owHeartbeat"
}

fn snmp(station: &SnmpTrapd) -> Vec<Told> {
    let mut told = Vec::new();
    for trap in station.traps().iter().filter(|t| is_alarm(t)) {
        let value = |object: &str| trap.value(object).unwrap_or_else(|| panic!("no {object} in {trap:?}")).to_owned();
        let incident = value("owAlarmGroup");
        let severity: Severity = value("owAlarmSeverity").parse().unwrap();
        let cleared = severity == Severity::Cleared;
        assert_eq!(value("owAlarmState"), if cleared { "cleared" } else { "active" });
        assert_eq!(value("owResend"), "false");
        assert_eq!(value("owAlarmProbe"), PROBE);
        let expected = if cleared { "owAlarmClear".to_owned() } else { format!("owAlarm{}", capital(severity)) };
        assert_eq!(trap.name(), expected);
        let change = change(&told, &incident, cleared);
        told.push((incident, change, severity, value("owAlarmCheck"), value("owAlarmText")));
    }
    told
}

fn capital(severity: Severity) -> String {
    let (first, rest) = severity.as_str().split_at(1);
    first.to_uppercase() + rest
}

fn mails(server: &SmtpSink) -> Vec<Told> {
    let mut told = Vec::new();
    for mail in server.mails() {
        let header = |name: &str| mail.header(name).unwrap_or_else(|| panic!("no {name} in {}", mail.raw));
        assert!(mail.tls && mail.to == ["noc@example.net"]);
        let severity: Severity = header("X-Ottwatch-Severity").parse().unwrap();
        let incident = header("X-Ottwatch-Incident");
        let change = change(&told, &incident, severity == Severity::Cleared);
        told.push((incident, change, severity, header("X-Ottwatch-Check"), mail.subject()));
    }
    told
}

/// The incident's own message and its edits; replies in threads are checked beside.
fn slack(sink: &SlackSink) -> Vec<Told> {
    let mut told: Vec<Told> = Vec::new();
    for call in sink.calls() {
        if call.body["thread_ts"].is_string() {
            continue;
        }
        let text = call.body["text"].as_str().unwrap_or_default().to_owned();
        let blocks = call.body["blocks"].as_array().cloned().unwrap_or_default();
        // `INC-7 · hls-playlist-stale · rev 2`
        let context = blocks.iter().rfind(|b| b["type"] == "context").expect("a context block");
        let context = context["elements"][0]["text"].as_str().unwrap_or_default().to_owned();
        let parts: Vec<&str> = context.split(" · ").collect();
        let word = text.split(' ').next().unwrap_or_default().to_lowercase();
        let severity = if word == "resolved" { Severity::Cleared } else { word.parse().unwrap() };
        let change = change(&told, parts[0], severity == Severity::Cleared);
        let expected = if change == ChangeKind::Raise { "chat.postMessage" } else { "chat.update" };
        assert_eq!(call.method, expected, "{text}");
        told.push((parts[0].to_owned(), change, severity, parts[1].to_owned(), text.trim_end().to_owned()));
    }
    told
}

/// One story of an incident: raised, perhaps worse and worse up to `worst`, cleared; each revision once.
fn check_story(notices: &[Notice], check: &str, worst: Severity) {
    let (last, before) = notices.split_last().expect("a story");
    let kinds: Vec<ChangeKind> = notices.iter().map(|n| n.change).collect();
    let mut expected = vec![ChangeKind::Update; notices.len()];
    (expected[0], expected[notices.len() - 1]) = (ChangeKind::Raise, ChangeKind::Clear);
    assert_eq!(kinds, expected, "{notices:#?}");
    assert!(notices.iter().zip(1..).all(|(n, revision)| n.revision == revision), "{notices:#?}");
    assert!(before.is_sorted_by(|a, b| a.severity < b.severity), "an update without a change: {notices:#?}");
    assert_eq!(before.last().map(|n| n.severity), Some(worst), "{notices:#?}");
    assert_eq!(last.severity, Severity::Cleared);
    assert!(notices.iter().all(|n| n.check == check && n.channel.as_str() == CHANNEL), "{notices:#?}");
    assert!(notices.iter().all(|n| n.number == notices[0].number), "{notices:#?}");
}

struct Bench {
    site: Site,
    origin: ow_origin::Origin,
    receivers: Receivers,
    alerts: Tap<IncidentChange>,
    /// Notices of the faults before.
    n_before: usize,
}

impl Bench {
    async fn new() -> Self {
        let receivers = Receivers::start().await;
        let origin = ow_e2e::origin().await.unwrap();
        let site = Site::all_in_one().await.unwrap();
        let bus = site.bus().await.unwrap();
        let alerts = Tap::start(&bus, "alert.>").await.unwrap();
        let captures: Tap<Capture> = Tap::start(&bus, "capture.>").await.unwrap();
        let url = origin.hls_ts(CHANNEL);
        let yaml = format!(
            "{PROBE_YAML}apiVersion: ottwatch/v1\nkind: Template\nmetadata: {{name: quick}}\n\
             spec: {{checks: {{startupGrace: 1s, eventTtl: {EVENT_TTL_S}s}}}}\n---\n\
             apiVersion: ottwatch/v1\nkind: Channel\nmetadata: {{name: {CHANNEL}}}\n\
             spec:\n  displayName: \"{NAME}\"\n  template: quick\n  probes: [{PROBE}]\n  \
             streams:\n    - {{name: main, protocol: hls, url: \"{url}\"}}\n{}",
            receivers.documents(&site)
        );
        site.apply(&yaml).await.unwrap();
        captures.wait_watched(CHANNEL, 3, 3, Duration::from_secs(90)).await;
        Self { site, origin, receivers, alerts, n_before: 0 }
    }

    /// Notices of the present fault.
    fn notices(&self) -> Vec<Notice> {
        self.alerts.all().into_iter().map(|c| c.0).skip(self.n_before).collect()
    }

    /// When the NMS was told first of the present fault, by the clock of this process.
    /// And what the bus says of it.
    async fn wait_trap(&self, limit: Duration) -> (Time, Notice) {
        let told = |traps: &[Trap]| traps.iter().filter(|t| is_alarm(t)).count() > self.n_before;
        self.receivers.v2c.wait("the NMS is told", limit, told).await;
        let at = now();
        // The two leave the outbox side by side.
        let notice =
            ow_testkit::eventually_some("the bus says it", DEADLINE, || async { self.notices().into_iter().next() });
        (at, notice.await)
    }

    /// Waits for the end of everything, and for all receivers to know it.
    async fn wait_over(&mut self, limit: Duration) -> Vec<Notice> {
        let (number, n_before) = {
            let notices = self.notices();
            (notices[0].number, self.n_before)
        };
        let over = |c: &IncidentChange| c.0.number == number && c.0.change == ChangeKind::Clear;
        self.alerts.wait("it is over", limit, over).await;
        self.site.wait_alarms("nothing is open", DEADLINE, <[_]>::is_empty).await;
        let all: Vec<Notice> = self.alerts.all().into_iter().map(|c| c.0).collect();
        self.receivers.wait_told(&all).await;
        self.n_before = all.len();
        all[n_before..].to_vec()
    }
}

fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Time::from_unix_micros(since.as_micros() as i64)
}

fn seconds(from: Time, to: Time) -> f64 {
    (to - from).secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_told_once_to_everybody_and_so_is_its_end() {
    let mut bench = Bench::new().await;

    // (a) The packager stops writing: no rendition shows anything new.
    let frozen = bench.origin.faults.add(FaultSpec::new(FaultKind::FrozenPlaylist {}).channel(CHANNEL)).unwrap();
    let begun = now();
    let (told_at, raised) = bench.wait_trap(Duration::from_secs(60)).await;
    let evidence = raised.evidence.clone().expect("proof");
    let first_seen = evidence.facts.iter().find(|(name, _)| name == "first seen").map(|(_, time)| time.as_str());
    let first_seen = Time::parse_rfc3339(first_seen.expect("when the newest segment came")).unwrap();
    let (since_segment, since_judged) = (seconds(first_seen, told_at), seconds(raised.raised_at, told_at));
    println!(
        "stale playlist: told {since_segment:.2} s after the last new segment, {:.2} s after the freeze, {since_judged:.2} s \
         after the judgement",
        seconds(begun, told_at)
    );
    assert!(since_segment <= 1.5 * TD + POLL + 1.0 + BUSY, "{since_segment}");
    assert!(since_judged <= 1.0 + BUSY, "{since_judged}");
    // It gets worse after three target durations.
    let worse = |c: &IncidentChange| c.0.severity == Severity::Major;
    bench.alerts.wait("it gets worse", DEADLINE, worse).await;
    assert!(bench.origin.faults.remove(&frozen));
    let story = bench.wait_over(Duration::from_secs(60)).await;
    check_story(&story, "hls-playlist-stale", Severity::Major);
    assert!(story[0].message.contains("newest segment is"), "{}", story[0].message);

    // (b) The segments of one rendition are missing.
    let missing = FaultSpec::new(FaultKind::HttpStatus { status: 404 })
        .channel(CHANNEL)
        .rendition("240p")
        .objects(&[ObjectKind::Segment]);
    let missing = bench.origin.faults.add(missing).unwrap();
    let begun = now();
    let (told_at, raised) = bench.wait_trap(Duration::from_secs(60)).await;
    let since_fault = seconds(begun, told_at);
    let asked = raised.evidence.as_ref().map(|e| e.t_req).unwrap();
    println!(
        "404 on a segment: told {since_fault:.2} s after the fault, {:.2} s after the second try",
        seconds(asked, told_at)
    );
    // Up to one target duration until there is a new segment at all, then one poll, 2 s, and the second try.
    assert!(since_fault <= TD + POLL + 2.0 + 0.5 + BUSY, "{since_fault}");
    assert!(bench.origin.faults.remove(&missing));
    let story = bench.wait_over(Duration::from_secs(60)).await;
    check_story(&story, "http-status-segment", Severity::Major);
    assert!(story[0].message.contains("404"), "{}", story[0].message);
    assert_eq!(story[0].subject.reason.as_deref(), Some("4xx"));

    // (c) The packager starts anew and counts from its beginning.
    let restart: FaultKind = serde_json::from_str(r#"{"kind": "packager-restart"}"#).unwrap();
    bench.origin.faults.add(FaultSpec::new(restart).channel(CHANNEL)).unwrap();
    let begun = now();
    let (told_at, _) = bench.wait_trap(Duration::from_secs(60)).await;
    println!("packager restart: told {:.2} s after it", seconds(begun, told_at));
    let story = bench.wait_over(Duration::from_secs(u64::from(EVENT_TTL_S) + 60)).await;
    check_story(&story, "hls-timeline-reset", Severity::Critical);
    assert!(story[0].event && story[0].message.contains("started again"), "{:#?}", story[0]);
    println!("packager restart: over {:.1} s after it was raised", seconds(story[0].raised_at, story[1].at));

    // Nothing else was ever sent, and each fault made one incident.
    let all: Vec<Notice> = bench.alerts.all().into_iter().map(|c| c.0).collect();
    bench.receivers.wait_told(&all).await;
    let recorded = bench.site.alarms("state=all&include_info=true").await.unwrap();
    assert_eq!(recorded.len(), 3, "{recorded:#?}");
    check_security(&bench.receivers);
    check_threads(&bench.receivers, &all);
}

fn check_security(receivers: &Receivers) {
    for trap in receivers.v2c.traps() {
        assert!(trap.security.contains("SNMP v2c, community public"), "{}", trap.security);
    }
    for trap in receivers.v3.traps() {
        assert!(trap.security.contains("INFORM") && trap.security.contains("SNMP v3, user noc"), "{}", trap.security);
    }
    let heartbeats = receivers.v2c.traps().iter().filter(|t| !is_alarm(t)).count();
    assert!(heartbeats > 0, "no heartbeat in all that time");
}

/// One mail thread and one Slack thread per incident.
fn check_threads(receivers: &Receivers, all: &[Notice]) {
    for mail in receivers.mail.mails() {
        let incident = mail.header("X-Ottwatch-Incident").unwrap();
        let number = incident.trim_start_matches("INC-").to_owned();
        let root = format!("<inc-{number}.1.noc-mail@example.net>");
        let is_root = mail.header("Message-ID").as_deref() == Some(&root);
        assert_eq!(mail.header("In-Reply-To"), (!is_root).then_some(root), "{}", mail.raw);
        let notice = all.iter().rfind(|n| n.number.to_string() == incident).unwrap();
        assert!(mail.text().contains(&notice.check), "{}", mail.text());
    }
    let replies = receivers.slack.calls().iter().filter(|c| c.body["thread_ts"].is_string()).count();
    assert_eq!(replies, all.iter().filter(|n| n.change != ChangeKind::Raise).count());
}
