//! Slack: edit in place, threads, limits.

use std::time::Duration;

use ow_domain::Severity;
use ow_domain::incident::{DeliveryOutcome, ReceiverKind};
use ow_testkit::receivers::{HttpFault, SlackSink};
use serde_json::{Value, json};

use crate::bench::{Bench, LONG};
use crate::sample::{clear, raise, update};

const SLACK: ReceiverKind = ReceiverKind::Slack;

fn bot(bench: &Bench, sink: &SlackSink) -> Value {
    json!({"type": "slack", "token_file": bench.secret("token", "xoxb-slack-secret"), "channel": "#noc",
        "api_url": sink.api_url()})
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_edited_in_place_with_a_thread() {
    let bench = Bench::new().await;
    let sink = SlackSink::start("xoxb-slack-secret").await.unwrap();
    bench.receiver("noc-slack", bot(&bench, &sink)).await;
    for notice in [raise(), update(), clear()] {
        bench.deliver("noc-slack", SLACK, notice).await;
    }
    let calls = sink.calls();
    let methods: Vec<&str> = calls.iter().map(|c| c.method.as_str()).collect();
    assert_eq!(methods, ["chat.postMessage", "chat.update", "chat.postMessage", "chat.update", "chat.postMessage"]);
    let ts = &calls[0].body["_ts"];
    assert_eq!(calls[0].body["channel"], "#noc");
    assert_eq!(calls[0].body["text"], "MAJOR VTV3 HD: HLS playlist stale 24.3 s");
    for edit in [&calls[1], &calls[3]] {
        assert_eq!((&edit.body["ts"], &edit.body["channel"]), (ts, &json!("C0000000001")));
    }
    // It got worse: also to the channel. The clear is quiet.
    assert_eq!((&calls[2].body["thread_ts"], &calls[2].body["reply_broadcast"]), (ts, &json!(true)));
    assert_eq!((&calls[4].body["thread_ts"], &calls[4].body["reply_broadcast"]), (ts, &json!(false)));
    assert!(calls[3].body["text"].as_str().unwrap().starts_with("RESOLVED"));
    // One message a second and channel.
    assert!(calls[1].at - calls[0].at >= Duration::from_millis(900));
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_says_when_to_come_back_and_waiting_edits_are_merged() {
    let bench = Bench::new().await;
    let sink = SlackSink::start("xoxb-slack-secret").await.unwrap();
    bench.receiver("noc-slack", bot(&bench, &sink)).await;
    bench.deliver("noc-slack", SLACK, raise()).await;
    sink.fail_next([HttpFault::RateLimited(3)]);
    bench.tell("noc-slack", SLACK, update()).await;
    let asked = std::time::Instant::now();
    let deferred = bench.logged("noc-slack", &update(), DeliveryOutcome::Deferred).await;
    assert!(deferred.detail.contains("asks to wait 3 s"), "{}", deferred.detail);
    // Changes while we wait: only the last is told.
    let mut last = update();
    for revision in 3..=6 {
        last.revision = revision;
        last.previous_severity = Some(Severity::Critical);
        last.value = format!("{revision}0 s");
        bench.tell("noc-slack", SLACK, last.clone()).await;
    }
    bench.logged("noc-slack", &last, DeliveryOutcome::Delivered).await;
    assert!(asked.elapsed() >= Duration::from_secs(3), "{:?}", asked.elapsed());
    bench.logged("noc-slack", &update(), DeliveryOutcome::Superseded).await;
    let calls = sink.calls();
    let last_edit = calls.iter().rfind(|c| c.method == "chat.update").unwrap();
    assert!(last_edit.body["text"].as_str().unwrap().ends_with("60 s"));
    assert_eq!(calls.iter().filter(|c| c.method == "chat.postMessage" && c.body["thread_ts"].is_null()).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_message_is_posted_anew() {
    let bench = Bench::new().await;
    let sink = SlackSink::start("xoxb-slack-secret").await.unwrap();
    bench.receiver("noc-slack", bot(&bench, &sink)).await;
    bench.deliver("noc-slack", SLACK, raise()).await;
    sink.fail_next([HttpFault::Error("message_not_found")]);
    bench.deliver("noc-slack", SLACK, clear()).await;
    let calls = sink.calls();
    assert_eq!(calls.len(), 2);
    assert!(calls[1].method == "chat.postMessage" && calls[1].body["text"].as_str().unwrap().starts_with("RESOLVED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_told_without_showing_it() {
    let bench = Bench::new().await;
    let sink = SlackSink::start("xoxb-the-right-one").await.unwrap();
    bench.receiver("noc-slack", bot(&bench, &sink)).await;
    bench.tell("noc-slack", SLACK, raise()).await;
    let deferred = bench.logged("noc-slack", &raise(), DeliveryOutcome::Deferred).await;
    assert!(deferred.detail.contains("invalid_auth") && deferred.detail.contains("check token"), "{}", deferred.detail);
    assert!(!deferred.detail.contains("xoxb"), "{}", deferred.detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incoming_webhook_gets_raise_and_clear_only() {
    let bench = Bench::new().await;
    let sink = SlackSink::start("").await.unwrap();
    let url = bench.secret("url", &sink.webhook_url());
    bench.receiver("noc-slack", json!({"type": "slack", "mode": "webhook", "webhook_url_file": url})).await;
    sink.fail_next([HttpFault::Status(500)]);
    bench.tell("noc-slack", SLACK, raise()).await;
    let deferred = bench.logged("noc-slack", &raise(), DeliveryOutcome::Deferred).await;
    // The path of the URL is a secret.
    assert!(deferred.detail.contains("500") && !deferred.detail.contains("services"), "{}", deferred.detail);
    bench.logged("noc-slack", &raise(), DeliveryOutcome::Delivered).await;
    for notice in [update(), clear()] {
        bench.deliver("noc-slack", SLACK, notice).await;
    }
    let texts: Vec<String> = sink.calls().iter().map(|c| c.body["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(texts, ["MAJOR VTV3 HD: HLS playlist stale 24.3 s", "RESOLVED VTV3 HD: HLS playlist stale"]);
    sink.wait("no more", LONG, |c| c.len() == 2).await;
}
