//! The generic webhook.

use ow_domain::incident::{DeliveryOutcome, ReceiverKind};
use ow_domain::receiver::Secret;
use ow_notifier::webhook::sign;
use ow_testkit::receivers::{HttpFault, WebhookSink};
use serde_json::json;

use crate::bench::{Bench, LONG};
use crate::sample::{clear, raise};

const WEBHOOK: ReceiverKind = ReceiverKind::Webhook;

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_signed_and_keep_their_id_over_attempts() {
    let bench = Bench::new().await;
    let sink = WebhookSink::start().await.unwrap();
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    bench
        .receiver(
            "ticketing",
            json!({"type": "webhook", "url": sink.url(), "secret_file": bench.secret("hook", secret),
                "headers": {"X-Tenant": "noc"}}),
        )
        .await;
    sink.fail_next([HttpFault::Status(503)]);
    for notice in [raise(), clear()] {
        bench.deliver("ticketing", WEBHOOK, notice).await;
    }
    let requests = sink.requests();
    assert_eq!(requests.len(), 2);
    for (n, request) in requests.iter().enumerate() {
        let header = |name: &str| request.headers.get(name).map(String::as_str).unwrap_or_default();
        assert_eq!(header("webhook-id"), ["INC-1042.1.ticketing", "INC-1042.3.ticketing"][n]);
        let at: i64 = header("webhook-timestamp").parse().unwrap();
        let signature = sign(&Secret::new(secret), header("webhook-id"), at, &request.raw).unwrap();
        assert_eq!(header("webhook-signature"), signature);
        assert_eq!(header("content-type"), "application/cloudevents+json");
        assert_eq!(header("x-tenant"), "noc");
        assert_eq!(request.body["type"], ["ottwatch.incident.raise.v1", "ottwatch.incident.clear.v1"][n]);
        assert_eq!(request.body["data"]["incident"]["channel"], "vtv3-hd");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_not_followed_and_metadata_addresses_not_asked() {
    let bench = Bench::new().await;
    let (sink, other) = (WebhookSink::start().await.unwrap(), WebhookSink::start().await.unwrap());
    bench.receiver("hook", json!({"type": "webhook", "url": sink.url()})).await;
    bench.receiver("inside", json!({"type": "webhook", "url": "http://169.254.169.254/latest/meta-data"})).await;
    sink.fail_next([HttpFault::Redirect(other.url())]);
    bench.tell("hook", WEBHOOK, raise()).await;
    bench.tell("inside", WEBHOOK, raise()).await;
    let refused = bench.logged("inside", &raise(), DeliveryOutcome::Deferred).await;
    assert!(refused.detail.contains("link-local"), "{}", refused.detail);
    bench.logged("hook", &raise(), DeliveryOutcome::Delivered).await;
    assert_eq!((sink.requests().len(), other.requests().len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_says_no_for_good_makes_a_dead_letter() {
    let bench = Bench::new().await;
    let sink = WebhookSink::start().await.unwrap();
    bench.receiver("hook", json!({"type": "webhook", "url": sink.url()})).await;
    sink.fail_next([HttpFault::Status(422)]);
    bench.tell("hook", WEBHOOK, raise()).await;
    let failed = bench.logged("hook", &raise(), DeliveryOutcome::Failed).await;
    assert!(failed.detail.contains("422"), "{}", failed.detail);
    bench.tell("nobody", WEBHOOK, raise()).await;
    let unknown = bench.logged("nobody", &raise(), DeliveryOutcome::Failed).await;
    assert!(unknown.detail.contains("does not exist"), "{}", unknown.detail);
    sink.wait("nothing", LONG, |r| r.is_empty()).await;
}
