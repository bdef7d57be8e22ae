//! What the tests of the bus share: small messages, and handlers that remember.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::Mutex;

use ow_bus::{Bus, Delivered, Handler, Outcome, Received};
use ow_contracts::{DeadLetter, Subject};
use ow_domain::capture::Tick;
use ow_domain::incident::{Delivery, DeliveryOutcome, IncidentNumber, ReceiverKind};
use ow_domain::job::FetchJob;
use ow_domain::{ChannelId, Partition, ProbeId, ReceiverId, Time};

pub fn tick(partition: u8, second: i64) -> Tick {
    Tick { partition: Partition::new(partition).unwrap(), at: Time::from_unix_micros(second * 1_000_000) }
}

pub fn delivery(number: i64) -> Delivery {
    Delivery {
        receiver: ReceiverId::new("noc").unwrap(),
        kind: ReceiverKind::Snmp,
        number: IncidentNumber(number),
        revision: 1,
        change: ow_domain::incident::ChangeKind::Raise,
        outcome: DeliveryOutcome::Delivered,
        attempts: 1,
        at: Time::from_unix_micros(number),
        detail: String::new(),
    }
}

pub fn job(probe: &str, channel: &str, revision: u64) -> FetchJob {
    FetchJob {
        channel: ChannelId::new(channel).unwrap(),
        probe: ProbeId::new(probe).unwrap(),
        revision,
        streams: vec![],
        limits: Default::default(),
    }
}

/// Everything on the dead-letter subjects from now on.
pub async fn dead_letters(bus: &Bus) -> tokio::sync::mpsc::UnboundedReceiver<DeadLetter> {
    let mut tail = bus.tail(&Subject::raw("dead.>")).await.unwrap();
    let (sender, letters) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(received) = tail.next().await {
            let _ = sender.send(received.decode::<DeadLetter>().unwrap());
        }
    });
    letters
}

/// Answers by a function of (message, attempt), and remembers both.
pub struct Scripted<F> {
    pub seen: Mutex<Vec<(i64, u32)>>,
    pub answer: F,
}

impl<F> Scripted<F> {
    pub fn new(answer: F) -> Self {
        Self { seen: Mutex::new(Vec::new()), answer }
    }
    pub fn seen(&self) -> Vec<(i64, u32)> {
        self.seen.lock().unwrap().clone()
    }
}

impl<F: Fn(i64, u32) -> Outcome + Send + Sync + 'static> Handler<Delivery> for Scripted<F> {
    async fn handle(&self, delivered: Delivered<Delivery>) -> Outcome {
        let number = delivered.message.number.0;
        self.seen.lock().unwrap().push((number, delivered.attempt));
        (self.answer)(number, delivered.attempt)
    }
}

pub fn second(received: &Received) -> i64 {
    received.decode::<Tick>().unwrap().at.unix_seconds()
}
