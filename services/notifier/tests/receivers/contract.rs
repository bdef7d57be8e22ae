//! The delivery contract over restarts, repeats and changed settings.

use ow_contracts::Subject;
use ow_domain::incident::{Delivery, DeliveryOutcome, NotifyJob, ReceiverKind};
use ow_domain::{ReceiverId, Severity};
use ow_testkit::receivers::WebhookSink;
use serde_json::json;

use crate::bench::{Bench, LONG};
use crate::sample::{clear, raise, update};

const WEBHOOK: ReceiverKind = ReceiverKind::Webhook;

fn types(sink: &WebhookSink) -> Vec<String> {
    let kind = |r: &ow_testkit::receivers::WebhookRequest| r.body["type"].as_str().unwrap().to_owned();
    sink.requests().iter().map(kind).map(|t| t.split('.').nth(2).unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_job_is_sent_once_even_after_a_restart() {
    let mut bench = Bench::new().await;
    let sink = WebhookSink::start().await.unwrap();
    bench.receiver("hook", json!({"type": "webhook", "url": sink.url()})).await;
    let mut told = bench.bus.tail(&Subject::raw("delivery.>")).await.unwrap();
    bench.deliver("hook", WEBHOOK, raise()).await;
    let fact: Delivery = tokio::time::timeout(LONG, told.next()).await.unwrap().unwrap().decode().unwrap();
    assert_eq!((fact.outcome, fact.attempts, fact.revision), (DeliveryOutcome::Delivered, 1, 1));
    bench.stop().await;
    bench.start();
    // The bus knows the id for two minutes; a change in what is not part of it makes the same job come again.
    let job = |notice| NotifyJob { receiver: ReceiverId::new("hook").unwrap(), kind: WEBHOOK, notice, deadline: None };
    let begun = bench.store.delivery_begin(&job(raise()), "test", std::time::Duration::from_secs(1)).await.unwrap();
    let ow_store::deliveries::Begin::Ready(state) = begun else { panic!("{begun:?}") };
    assert_eq!((state.outcome, state.delivered_revision), (Some(DeliveryOutcome::Delivered), 1));
    bench.store.delivery_release(&job(raise()), "test").await.unwrap();
    bench.deliver("hook", WEBHOOK, clear()).await;
    // Older than what was told: nothing is sent.
    bench.tell("hook", WEBHOOK, update()).await;
    bench.logged("hook", &update(), DeliveryOutcome::Superseded).await;
    assert_eq!(types(&sink), ["raise", "clear"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_came_while_the_notifier_was_down_are_told_in_order() {
    let mut bench = Bench::new().await;
    let sink = WebhookSink::start().await.unwrap();
    bench.receiver("hook", json!({"type": "webhook", "url": sink.url()})).await;
    bench.deliver("hook", WEBHOOK, raise()).await;
    bench.stop().await;
    for notice in [update(), clear()] {
        bench.tell("hook", WEBHOOK, notice).await;
    }
    let mut other = raise();
    other.number.0 = 7;
    bench.tell("hook", WEBHOOK, other.clone()).await;
    bench.start();
    bench.logged("hook", &clear(), DeliveryOutcome::Delivered).await;
    bench.logged("hook", &other, DeliveryOutcome::Delivered).await;
    let of_first: Vec<String> = sink
        .requests()
        .iter()
        .filter(|r| r.body["subject"] == "INC-1042")
        .map(|r| r.body["type"].as_str().unwrap().split('.').nth(2).unwrap().to_owned())
        .collect();
    // The update may have been overtaken by the clear; the clear is told once and last.
    assert_eq!(of_first.first().map(String::as_str), Some("raise"));
    assert_eq!(of_first.iter().position(|t| t == "clear"), Some(of_first.len() - 1), "{of_first:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn raise_and_clear_at_once_are_both_told() {
    let bench = Bench::new().await;
    let sink = WebhookSink::start().await.unwrap();
    bench.receiver("hook", json!({"type": "webhook", "url": sink.url()})).await;
    // Out of order, as two routers may publish them.
    bench.tell("hook", WEBHOOK, clear()).await;
    bench.tell("hook", WEBHOOK, raise()).await;
    bench.logged("hook", &clear(), DeliveryOutcome::Delivered).await;
    assert_eq!(types(&sink), ["raise", "clear"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_mild_is_not_told_and_neither_is_its_clear() {
    let bench = Bench::new().await;
    let sink = WebhookSink::start().await.unwrap();
    bench.receiver("hook", json!({"type": "webhook", "url": sink.url(), "min_severity": "critical"})).await;
    bench.tell("hook", WEBHOOK, raise()).await;
    bench.logged("hook", &raise(), DeliveryOutcome::Superseded).await;
    let mut over = clear();
    over.previous_severity = Some(Severity::Major);
    bench.tell("hook", WEBHOOK, over.clone()).await;
    bench.logged("hook", &over, DeliveryOutcome::Superseded).await;
    // Another that got worse is told from then on.
    let number = |mut n: ow_domain::incident::Notice| {
        n.number.0 = 8;
        n
    };
    bench.tell("hook", WEBHOOK, number(raise())).await;
    bench.logged("hook", &number(raise()), DeliveryOutcome::Superseded).await;
    bench.deliver("hook", WEBHOOK, number(update())).await;
    bench.deliver("hook", WEBHOOK, number(clear())).await;
    assert_eq!(types(&sink), ["update", "clear"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_comes_back_gets_everything_once_after_an_outage_of_the_database() {
    let bench = Bench::new().await;
    let sink = WebhookSink::start().await.unwrap();
    bench.receiver("hook", json!({"type": "webhook", "url": sink.url()})).await;
    bench.deliver("hook", WEBHOOK, raise()).await;
    let restarted = tokio::task::spawn_blocking(|| ow_testkit::postgres().restart()).await.unwrap();
    restarted.unwrap();
    bench.deliver("hook", WEBHOOK, clear()).await;
    assert_eq!(types(&sink), ["raise", "clear"]);
}
