//! Publish, consume, dead letters, key-value: on a real server.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Scripted, dead_letters, delivery};
use ow_bus::{Bucket, Bus, BusConfig, BusError, Change, ConsumerSpec, Outcome, Publisher, StreamName};
use ow_contracts::{Message, Subject, envelope};
use ow_domain::incident::Delivery;
use ow_testkit::{DEADLINE, eventually, test_bus, test_bus_config};
use tokio_util::sync::CancellationToken;

fn spec() -> ConsumerSpec {
    let all = Subject::raw("delivery.>");
    ConsumerSpec {
        ack_wait: Duration::from_secs(1),
        max_deliver: 3,
        ..ConsumerSpec::all_of(StreamName::Deliveries, "test", all, 8)
    }
}

fn consume<F>(
    bus: &Bus,
    spec: ConsumerSpec,
    handler: &Arc<Scripted<F>>,
) -> (CancellationToken, tokio::task::JoinHandle<()>)
where
    F: Fn(i64, u32) -> Outcome + Send + Sync + 'static,
{
    let (bus, handler, stop) = (bus.clone(), handler.clone(), CancellationToken::new());
    let token = stop.clone();
    (stop, tokio::spawn(async move { bus.consume::<Delivery, _>(spec, handler, token).await.unwrap() }))
}

/// Straight to the server, without the bus: what a foreign or broken publisher may send.
async fn publish_raw(config: &BusConfig, subject: &str, headers: &[(&str, &str)], body: Vec<u8>) {
    let client = async_nats::connect(&config.url).await.unwrap();
    let mut map = async_nats::HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, *value);
    }
    client.publish_with_headers(config.prefix.subject(subject), map, body.into()).await.unwrap();
    client.flush().await.unwrap();
}

#[tokio::test]
async fn one_fact_published_twice_is_one_message() {
    let bus = test_bus().await.unwrap();
    let first = bus.publish(&delivery(1)).await.unwrap();
    let second = bus.publish(&delivery(1)).await.unwrap();
    assert!(!first.duplicate && second.duplicate && first.seq == second.seq);
    assert_eq!(bus.publish(&delivery(2)).await.unwrap().seq, first.seq + 1);
}

#[tokio::test]
async fn the_topology_may_be_made_again_and_by_many() {
    let config = test_bus_config();
    let buses = futures_util::future::join_all((0..3).map(|_| Bus::connect(config.clone()))).await;
    let limits = ow_bus::Limits::tests();
    let made =
        futures_util::future::join_all(buses.iter().map(|bus| bus.as_ref().unwrap().ensure_topology(&limits))).await;
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    buses[0].as_ref().unwrap().wait_for_topology(Duration::from_secs(5)).await.unwrap();
    let other = Bus::connect(test_bus_config()).await.unwrap();
    let missing = other.wait_for_topology(Duration::ZERO).await.unwrap_err();
    assert!(matches!(missing, BusError::TopologyMissing { .. }), "{missing:?}");
}

#[tokio::test]
async fn messages_carry_cloudevents_and_the_trace_of_their_cause() {
    let bus = test_bus().await.unwrap();
    let mut tail = bus.tail(&Subject::raw("delivery.>")).await.unwrap();
    let trace = ow_bus::TraceContext::root();
    trace.scope(async { bus.publish(&delivery(7)).await.unwrap() }).await;
    let received = tail.next().await.unwrap();
    assert_eq!(received.header(envelope::CE_TYPE), Some(Delivery::TYPE));
    assert_eq!(received.header(envelope::CE_SOURCE), Some("ottwatch/test"));
    assert_eq!(received.header(envelope::CE_SPECVERSION), Some("1.0"));
    assert_eq!(received.header(envelope::CE_ID), Some(delivery(7).message_id().0.as_str()));
    assert_eq!(received.trace.trace_id, trace.trace_id);
    assert_eq!(received.decode::<Delivery>().unwrap(), delivery(7));
}

#[tokio::test]
async fn large_bodies_travel_compressed() {
    let bus = test_bus().await.unwrap();
    let mut tail = bus.tail(&Subject::raw("delivery.>")).await.unwrap();
    let large = Delivery { detail: "x".repeat(100_000), ..delivery(1) };
    bus.publish(&large).await.unwrap();
    let received = tail.next().await.unwrap();
    assert_eq!(received.header(envelope::CONTENT_ENCODING), Some("zstd"));
    assert_eq!(received.decode::<Delivery>().unwrap(), large);
}

#[tokio::test]
async fn outcomes_are_done_later_and_reject() {
    let bus = test_bus().await.unwrap();
    let mut letters = dead_letters(&bus).await;
    let handler = Arc::new(Scripted::new(|number, attempt| match (number, attempt) {
        (2, 1) => Outcome::Later(Duration::from_millis(10)),
        (3, _) => Outcome::Reject("nobody lives there".to_owned()),
        _ => Outcome::Done,
    }));
    let (stop, consuming) = consume(&bus, spec(), &handler);
    for number in 1..=3 {
        bus.publish(&delivery(number)).await.unwrap();
    }
    let letter = letters.recv().await.unwrap();
    assert_eq!((letter.stream.as_str(), letter.consumer.as_str()), ("DELIVERIES", "test"));
    assert_eq!(
        (letter.reason.as_str(), letter.subject.as_str(), letter.seq),
        ("nobody lives there", "delivery.noc", 3)
    );
    assert!(letter.headers.iter().any(|(name, value)| name == "ce-type" && value == Delivery::TYPE));
    eventually("the second delivery", DEADLINE, || async { handler.seen().contains(&(2, 2)) }).await;
    stop.cancel();
    consuming.await.unwrap();
    let mut seen = handler.seen();
    seen.sort_unstable();
    assert_eq!(seen, [(1, 1), (2, 1), (2, 2), (3, 1)]);
}

#[tokio::test]
async fn what_cannot_be_read_is_a_dead_letter_and_does_not_stop_the_rest() {
    let config = test_bus_config();
    let bus = Bus::connect(config.clone()).await.unwrap();
    bus.ensure_topology(&ow_bus::Limits::tests()).await.unwrap();
    let mut letters = dead_letters(&bus).await;
    let handler = Arc::new(Scripted::new(|_, _| Outcome::Done));
    let (stop, consuming) = consume(&bus, spec(), &handler);
    // 64 MiB of zeroes in a few KB.
    let bomb = zstd::bulk::compress(&vec![b'0'; 64 << 20], 3).unwrap();
    assert!(bomb.len() < 100_000);
    type Headers = &'static [(&'static str, &'static str)];
    let cases: [(Headers, Vec<u8>, &str); 4] = [
        (&[], b"not json".to_vec(), "JSON"),
        (&[("Content-Encoding", "zstd")], bomb, "16777216"),
        (&[("Content-Encoding", "br")], b"{}".to_vec(), "br"),
        (&[("ce-type", "ottwatch.verdict.v1")], b"{}".to_vec(), "ottwatch.verdict.v1"),
    ];
    for (headers, body, reason) in cases {
        publish_raw(&config, "delivery.noc", headers, body).await;
        let letter = letters.recv().await.unwrap();
        assert!(letter.reason.contains(reason), "{} lacks {reason:?}", letter.reason);
    }
    bus.publish(&delivery(1)).await.unwrap();
    eventually("the good message", DEADLINE, || async { handler.seen() == [(1, 1)] }).await;
    stop.cancel();
    consuming.await.unwrap();
}

#[tokio::test]
async fn a_message_given_up_by_the_server_is_a_dead_letter() {
    let config = test_bus_config();
    let bus = Bus::connect(config).await.unwrap();
    bus.ensure_topology(&ow_bus::Limits::tests()).await.unwrap();
    let mut letters = dead_letters(&bus).await;
    let stop = CancellationToken::new();
    let (mover, token) = (bus.clone(), stop.clone());
    let moving = tokio::spawn(async move { mover.move_dead_letters(token).await.unwrap() });

    // A panic counts as a delivery; the second one is the last.
    let handler = Arc::new(Scripted::new(|_, _| Outcome::Later(Duration::from_millis(10))));
    let notify = ConsumerSpec {
        stream: StreamName::Measures,
        durable: "poison".to_owned(),
        filter: Subject::raw("measure.>"),
        max_deliver: 2,
        ..spec()
    };
    let (bus_too, handler_too, token) = (bus.clone(), handler.clone(), stop.clone());
    let consuming =
        tokio::spawn(async move { bus_too.consume::<Delivery, _>(notify, handler_too, token).await.unwrap() });
    publish_raw(&test_config_of(&bus), "measure.poison", &[], serde_json::to_vec(&delivery(9)).unwrap()).await;
    let letter = letters.recv().await.unwrap();
    assert_eq!((letter.stream.as_str(), letter.subject.as_str()), ("MEASURES", "measure.poison"));
    assert!(letter.reason.contains("2 deliveries"), "{}", letter.reason);
    assert_eq!(handler.seen(), [(9, 1), (9, 2)]);
    stop.cancel();
    consuming.await.unwrap();
    moving.await.unwrap();
}

fn test_config_of(bus: &Bus) -> BusConfig {
    BusConfig::new(ow_testkit::nats().client_url(), "raw").with_prefix(bus.prefix().clone())
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_hand_and_leaves_the_rest() {
    let bus = test_bus().await.unwrap();
    let started = Arc::new(tokio::sync::Notify::new());
    struct Slow(Arc<tokio::sync::Notify>, std::sync::atomic::AtomicU32);
    impl ow_bus::Handler<Delivery> for Slow {
        async fn handle(&self, _: ow_bus::Delivered<Delivery>) -> Outcome {
            self.0.notify_one();
            // Longer than the ack wait: progress keeps it from coming again.
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Outcome::Done
        }
    }
    let handler = Arc::new(Slow(started.clone(), Default::default()));
    for number in 1..=3 {
        bus.publish(&delivery(number)).await.unwrap();
    }
    let one_at_a_time = ConsumerSpec { concurrency: 1, ..spec() };
    let (stop, bus_too, handler_too) = (CancellationToken::new(), bus.clone(), handler.clone());
    let token = stop.clone();
    let slow = one_at_a_time.clone();
    let consuming =
        tokio::spawn(async move { bus_too.consume::<Delivery, _>(slow, handler_too, token).await.unwrap() });
    started.notified().await;
    stop.cancel();
    consuming.await.unwrap();
    assert_eq!(handler.1.load(std::sync::atomic::Ordering::Relaxed), 1);

    let rest = Arc::new(Scripted::new(|_, _| Outcome::Done));
    let (stop, consuming) = consume(&bus, one_at_a_time, &rest);
    eventually("the rest", DEADLINE, || async { rest.seen().len() == 2 }).await;
    stop.cancel();
    consuming.await.unwrap();
    let numbers: Vec<i64> = rest.seen().iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [2, 3]);
}

#[tokio::test]
async fn a_publisher_keeps_order_and_flushes() {
    let bus = test_bus().await.unwrap();
    let publisher = Publisher::new(bus.clone(), 16);
    for number in 1..=500 {
        publisher.publish(&delivery(number)).await.unwrap();
    }
    publisher.flush().await;
    assert_eq!((publisher.n_failed(), publisher.n_in_flight()), (0, 0));
    let handler = Arc::new(Scripted::new(|_, _| Outcome::Done));
    let (stop, consuming) = consume(&bus, ConsumerSpec { concurrency: 1, ..spec() }, &handler);
    eventually("all of them", DEADLINE, || async { handler.seen().len() == 500 }).await;
    stop.cancel();
    consuming.await.unwrap();
    assert!(handler.seen().iter().map(|(number, _)| *number).eq(1..=500));
}

#[tokio::test]
async fn buckets_compare_and_set_watch_and_expire() {
    let bus = test_bus().await.unwrap();
    let kv = bus.kv::<String>(Bucket::State);
    assert_eq!(kv.get("a").await.unwrap(), None);
    let first = kv.create("a", &"1".to_owned()).await.unwrap();
    assert!(matches!(kv.create("a", &"2".to_owned()).await, Err(BusError::Conflict { .. })));
    let second = kv.update("a", &"2".to_owned(), first).await.unwrap();
    assert!(matches!(kv.update("a", &"3".to_owned(), first).await, Err(BusError::Conflict { .. })));
    assert_eq!(kv.get("a").await.unwrap().unwrap().revision, second);
    let large = "y".repeat(300_000);
    kv.put("b.c", &large).await.unwrap();
    assert_eq!(kv.get("b.c").await.unwrap().unwrap().value, large);

    let mut watch = kv.watch(">").await.unwrap();
    assert!(matches!(watch.next().await, Change::Put(entry) if entry.value == "2"));
    assert!(matches!(watch.next().await, Change::Put(entry) if entry.key == "b.c"));
    assert_eq!(watch.next().await, Change::UpToDate);
    kv.delete("a").await.unwrap();
    assert!(matches!(watch.next().await, Change::Deleted { key, .. } if key == "a"));
    assert_eq!(kv.get("a").await.unwrap(), None);
    kv.create("a", &"again".to_owned()).await.unwrap();
    assert_eq!(kv.entries(">").await.unwrap().len(), 2);

    let mut nothing = bus.kv::<String>(Bucket::Config).watch("*").await.unwrap();
    assert_eq!(nothing.next().await, Change::UpToDate);

    let presence = bus.kv::<String>(Bucket::Members);
    let mut watch = presence.watch(">").await.unwrap();
    assert_eq!(watch.next().await, Change::UpToDate);
    presence.put_with_ttl("x.y", &"here".to_owned(), Duration::from_secs(1)).await.unwrap();
    assert!(matches!(watch.next().await, Change::Put(_)));
    let ended = tokio::time::timeout(DEADLINE, watch.next()).await.unwrap();
    assert!(matches!(ended, Change::Deleted { key, .. } if key == "x.y"));
}

#[tokio::test]
async fn an_old_server_is_refused_by_its_version() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let info = r#"INFO {"server_id":"X","server_name":"x","version":"2.9.10","go":"x","host":"127.0.0.1","port":4222,"headers":true,"max_payload":1048576,"proto":1,"client_id":1}"#;
            let _ = stream.write_all(format!("{info}\r\n").as_bytes()).await;
            let mut buffer = [0; 1024];
            while let Ok(1..) = stream.read(&mut buffer).await {
                let _ = stream.write_all(b"PONG\r\n").await;
            }
        }
    });
    let error = Bus::connect(BusConfig::new(format!("nats://127.0.0.1:{port}"), "t")).await.unwrap_err();
    assert!(matches!(error, BusError::ServerTooOld { .. }), "{error:?}");
    assert!(error.to_string().contains("2.9.10") && error.to_string().contains("2.14.0"), "{error}");
}

#[tokio::test]
async fn no_server_is_an_error_after_the_wait() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = BusConfig {
        connect_wait: Duration::from_millis(200),
        ..BusConfig::new(format!("nats://127.0.0.1:{port}"), "t")
    };
    let error = Bus::connect(config).await.unwrap_err();
    assert!(matches!(error, BusError::Connect { .. }), "{error:?}");
}

#[tokio::test]
async fn dead_letters_are_read_sent_again_and_thrown_away() {
    let bus = test_bus().await.unwrap();
    let handler = Arc::new(Scripted::new(|number, _| match number {
        1..=3 => Outcome::Reject(format!("no {number}")),
        _ => Outcome::Done,
    }));
    let everything = |_: &ow_bus::BuriedLetter| true;
    assert_eq!(bus.dead_letters(None, 10, everything).await.unwrap(), Default::default());
    let (stop, consuming) = consume(&bus, spec(), &handler);
    for number in 1..=3 {
        bus.publish(&delivery(number)).await.unwrap();
    }
    let all = async || bus.dead_letters(None, 10, everything).await.unwrap().letters;
    eventually("three letters", DEADLINE, || async { all().await.len() == 3 }).await;
    stop.cancel();
    consuming.await.unwrap();

    let numbers: Vec<u64> = all().await.iter().map(|letter| letter.number).collect();
    assert_eq!(numbers, [3, 2, 1], "newest first");
    let page = bus.dead_letters(None, 2, everything).await.unwrap();
    assert_eq!((page.letters.len(), page.next), (2, Some(2)));
    let page = bus.dead_letters(page.next, 2, everything).await.unwrap();
    assert_eq!((page.letters.len(), page.next), (1, None));
    let one = page.letters[0].clone();
    let about = one.decode::<Delivery>().unwrap().number.0;
    assert_eq!(one.letter.reason, format!("no {about}"));
    assert!(one.body().unwrap().contains("\"receiver\":\"noc\""));
    let chosen = bus.dead_letters(None, 10, |letter| letter.number == 2).await.unwrap();
    assert_eq!((chosen.letters.len(), chosen.next), (1, None));

    // Its id is still remembered; it comes back as a new one all the same.
    let published = bus.retry_letter(&one).await.unwrap().unwrap();
    assert!(!published.duplicate);
    assert_eq!(bus.dead_letter(1).await.unwrap(), None);
    let seen = Arc::new(Scripted::new(|_, _| Outcome::Done));
    let (stop, consuming) = consume(&bus, ConsumerSpec { durable: "second".into(), only_new: false, ..spec() }, &seen);
    eventually("once more", DEADLINE, || async {
        seen.seen().iter().filter(|(number, _)| *number == about).count() == 2
    })
    .await;
    stop.cancel();
    consuming.await.unwrap();

    assert!(bus.discard_letter(2).await.unwrap());
    assert!(!bus.discard_letter(2).await.unwrap(), "it is gone");
    assert!(!bus.discard_letter(99).await.unwrap());
    assert_eq!(all().await.len(), 1);
    let again = [bus.publish_again(&delivery(3), 1).await.unwrap(), bus.publish_again(&delivery(3), 1).await.unwrap()];
    assert!(!again[0].duplicate && again[1].duplicate);
}
