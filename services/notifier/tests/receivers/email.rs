//! E-mail against a real SMTP server.

use ow_domain::incident::{DeliveryOutcome, ReceiverKind};
use ow_testkit::receivers::{SmtpOptions, SmtpSecurity, SmtpSink};
use serde_json::{Value, json};

use crate::bench::{Bench, LONG};
use crate::sample::{clear, raise, update};

const EMAIL: ReceiverKind = ReceiverKind::Email;

fn spec(sink: &SmtpSink, tls: &str) -> Value {
    json!({"type": "email", "host": "localhost", "port": sink.port(), "tls": tls,
        "from": "NOC alarms <ottwatch@example.net>", "to": ["noc@example.net", "Trực ca <ca@example.net>"],
        "reply_to": "noc@example.net"})
}

#[tokio::test(flavor = "multi_thread")]
async fn one_thread_per_incident_over_starttls_with_login() {
    let bench = Bench::new().await;
    let login = Some(("ottwatch".to_owned(), "mail-secret".to_owned()));
    let sink = SmtpSink::start(SmtpOptions { security: SmtpSecurity::StartTls, login }).await.unwrap();
    let mut spec = spec(&sink, "starttls");
    spec["username"] = json!("ottwatch");
    spec["password_file"] = json!(bench.secret("smtp", "mail-secret"));
    spec["ca_file"] = json!(bench.secret("ca.pem", sink.ca_pem()));
    bench.receiver("noc-mail", spec).await;
    for notice in [raise(), update(), clear()] {
        let delivery = bench.deliver("noc-mail", EMAIL, notice).await;
        assert!(delivery.detail.contains("250"), "{}", delivery.detail);
    }
    let mails = sink.mails();
    assert_eq!(mails.len(), 3);
    let root = mails[0].header("Message-ID").unwrap();
    assert_eq!(root, "<inc-1042.1.noc-mail@example.net>");
    for (n, mail) in mails.iter().enumerate() {
        assert!(mail.tls);
        assert_eq!(mail.from, "ottwatch@example.net");
        assert_eq!(mail.to, ["noc@example.net", "ca@example.net"]);
        assert_eq!(mail.subject(), "[ottwatch] VTV3 HD: HLS playlist stale (INC-1042)");
        let thread = (n > 0).then(|| root.clone());
        assert_eq!((mail.header("In-Reply-To"), mail.header("References")), (thread.clone(), thread));
        assert_eq!(mail.header("Auto-Submitted").as_deref(), Some("auto-generated"));
        assert_eq!(mail.header("List-Id").as_deref(), Some("<noc-mail.ottwatch.example.net>"));
        assert_eq!(mail.header("X-Ottwatch-Severity").as_deref(), Some(["major", "critical", "cleared"][n]));
        assert!(mail.header("Content-Type").unwrap().starts_with("multipart/alternative"));
        let text = mail.text();
        let first = ["MAJOR — VTV3 HD", "CRITICAL — VTV3 HD", "RESOLVED after 4 m 12 s — VTV3 HD"][n];
        assert!(text.contains(first), "{text}");
        assert!(text.contains("https://ott.example/i/INC-1042?at="), "{text}");
        assert!(text.contains("Danh sách phát") || n == 2, "{text}");
        assert!(text.find("text/html") > text.find("text/plain"), "plain text comes first");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_later_is_asked_again_and_gets_one_message() {
    let bench = Bench::new().await;
    let sink = SmtpSink::start(SmtpOptions::default()).await.unwrap();
    bench.receiver("noc-mail", spec(&sink, "none")).await;
    sink.fail_next(["451 4.7.1 greylisted, come back", "421 4.3.2 closing"]);
    bench.tell("noc-mail", EMAIL, raise()).await;
    let deferred = bench.logged("noc-mail", &raise(), DeliveryOutcome::Deferred).await;
    assert!(deferred.detail.contains("451") || deferred.detail.contains("421"), "{}", deferred.detail);
    let delivered = bench.logged("noc-mail", &raise(), DeliveryOutcome::Delivered).await;
    assert_eq!(delivered.attempts, 3);
    assert_eq!(sink.mails().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_message_is_a_dead_letter_and_its_clear_is_not_sent() {
    let bench = Bench::new().await;
    let sink = SmtpSink::start(SmtpOptions::default()).await.unwrap();
    bench.receiver("noc-mail", spec(&sink, "none")).await;
    sink.fail_next(["550 5.1.1 no such mailbox"]);
    let mut dead = bench.bus.tail(&ow_contracts_subject()).await.unwrap();
    bench.tell("noc-mail", EMAIL, raise()).await;
    let failed = bench.logged("noc-mail", &raise(), DeliveryOutcome::Failed).await;
    assert!(failed.detail.contains("550") && failed.detail.contains("no such mailbox"), "{}", failed.detail);
    let letter = tokio::time::timeout(LONG, dead.next()).await.unwrap().unwrap().body().unwrap();
    assert!(letter.contains("no such mailbox") && letter.contains("INC-1042"), "{letter}");
    bench.tell("noc-mail", EMAIL, clear()).await;
    let skipped = bench.logged("noc-mail", &clear(), DeliveryOutcome::Superseded).await;
    assert!(skipped.detail.contains("never delivered"), "{}", skipped.detail);
    assert!(sink.mails().is_empty());
}

fn ow_contracts_subject() -> ow_contracts::Subject {
    ow_contracts::Subject::dead("NOTIFY")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_without_showing_it() {
    let bench = Bench::new().await;
    let login = Some(("ottwatch".to_owned(), "mail-secret".to_owned()));
    let sink = SmtpSink::start(SmtpOptions { security: SmtpSecurity::Tls, login }).await.unwrap();
    let mut spec = spec(&sink, "tls");
    spec["username"] = json!("ottwatch");
    spec["password_file"] = json!(bench.secret("smtp", "not-the-password"));
    spec["ca_file"] = json!(bench.secret("ca.pem", sink.ca_pem()));
    bench.receiver("noc-mail", spec).await;
    bench.tell("noc-mail", EMAIL, raise()).await;
    let deferred = bench.logged("noc-mail", &raise(), DeliveryOutcome::Deferred).await;
    assert!(deferred.detail.contains("refuses the user name or password"), "{}", deferred.detail);
    assert!(!deferred.detail.contains("not-the-password"), "{}", deferred.detail);
    // Mended while it is being tried: it goes out.
    bench.secret("smtp", "mail-secret");
    bench.logged("noc-mail", &raise(), DeliveryOutcome::Delivered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let bench = Bench::new().await;
    let sink = SmtpSink::start(SmtpOptions { security: SmtpSecurity::Tls, login: None }).await.unwrap();
    bench.receiver("noc-mail", spec(&sink, "tls")).await;
    bench.tell("noc-mail", EMAIL, raise()).await;
    let deferred = bench.logged("noc-mail", &raise(), DeliveryOutcome::Deferred).await;
    assert!(deferred.detail.contains("certificate"), "{}", deferred.detail);
    assert!(sink.mails().is_empty());
}
