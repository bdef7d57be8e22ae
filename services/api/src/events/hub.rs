//! The last events, and who listens.
//!
//! A slow client costs nothing: all read from one bounded queue, and who falls behind by more than it holds is told so.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use ow_domain::Severity;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::broadcast;

/// Events that a client may be behind before it is told `reset`. All clients share them.
const QUEUE: usize = 2048;
/// Events that are kept for clients that come back.
const HISTORY: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Alarm,
    Channel,
    Config,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Alarm, Self::Channel, Self::Config];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alarm => "alarm",
            Self::Channel => "channel",
            Self::Config => "config",
        }
    }
}

impl std::str::FromStr for Kind {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(())
    }
}

/// What a view looks at, and what is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    pub kind: Kind,
    pub channel: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// The severity now, and the one that was told before: whoever saw that must see it go.
    pub severities: Vec<Severity>,
    pub data: Value,
}

/// An event with its number.
#[derive(Debug)]
pub struct Event {
    pub seq: u64,
    pub about: Draft,
    /// As it goes over the wire.
    pub frame: Bytes,
}

/// What a client is to get.
#[derive(Debug, Clone)]
pub enum Item {
    Event(Arc<Event>),
    /// Something may have been missed: read the lists again.
    Reset,
}

/// Why a client is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// This principal has so many already.
    OfOne(usize),
    OfAll(usize),
}

#[derive(Debug, Clone)]
pub struct Hub(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Of this process: numbers of another one mean nothing here.
    epoch: String,
    state: Mutex<State>,
    clients: Mutex<HashMap<String, usize>>,
    queue: broadcast::Sender<Item>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    history: VecDeque<Arc<Event>>,
    /// Nothing before this can be told any more.
    forgotten: u64,
}

/// One client's part.
#[derive(Debug)]
pub struct Subscription {
    pub receiver: broadcast::Receiver<Item>,
    /// What it missed while it was away.
    pub missed: VecDeque<Item>,
    /// Where it stands, for `Last-Event-ID`.
    pub id: String,
    _seat: Seat,
}

#[derive(Debug)]
struct Seat {
    hub: Hub,
    who: String,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut clients = self.hub.clients();
        if let Some(n) = clients.get_mut(&self.who) {
            *n -= 1;
            if *n == 0 {
                clients.remove(&self.who);
            }
        }
    }
}

impl Hub {
    /// `epoch`: a word that no other process has.
    pub fn new(epoch: impl Into<String>) -> Self {
        let (queue, _) = broadcast::channel(QUEUE);
        let state = Mutex::default();
        Self(Arc::new(Inner { epoch: epoch.into(), state, clients: Mutex::default(), queue }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn n_clients(&self) -> usize {
        self.clients().values().sum()
    }

    /// Gives it to everybody.
    pub fn publish(&self, draft: Draft) {
        let mut state = self.state();
        state.last += 1;
        let id = format!("{}-{}", self.0.epoch, state.last);
        let frame = frame(&id, draft.kind.as_str(), &draft.data);
        let event = Arc::new(Event { seq: state.last, about: draft, frame });
        if state.history.len() >= HISTORY
            && let Some(old) = state.history.pop_front()
        {
            state.forgotten = old.seq;
        }
        state.history.push_back(event.clone());
        // Nobody listening is no fault. Inside of the lock, so that the order is that of the numbers.
        let _ = self.0.queue.send(Item::Event(event));
    }

    /// Tells everybody, also who comes back later, that something may have been missed.
    pub fn reset(&self) {
        let mut state = self.state();
        state.last += 1;
        state.forgotten = state.last;
        state.history.clear();
        let _ = self.0.queue.send(Item::Reset);
    }

    /// `last_id`: where the client stood. With one that is not known, or too old, the first item is a reset.
    pub fn subscribe(
        &self,
        who: &str,
        most_of_one: usize,
        most_of_all: usize,
        last_id: Option<&str>,
    ) -> Result<Subscription, Refused> {
        {
            let mut clients = self.clients();
            if clients.values().sum::<usize>() >= most_of_all {
                return Err(Refused::OfAll(most_of_all));
            }
            let n = clients.entry(who.to_owned()).or_insert(0);
            if *n >= most_of_one {
                return Err(Refused::OfOne(most_of_one));
            }
            *n += 1;
        }
        let seat = Seat { hub: self.clone(), who: who.to_owned() };
        let state = self.state();
        let missed = match last_id {
            None => VecDeque::new(),
            Some(id) => match self.number(id).filter(|n| (state.forgotten..=state.last).contains(n)) {
                Some(n) => state.history.iter().filter(|e| e.seq > n).map(|e| Item::Event(e.clone())).collect(),
                None => VecDeque::from([Item::Reset]),
            },
        };
        let id = format!("{}-{}", self.0.epoch, state.last);
        Ok(Subscription { receiver: self.0.queue.subscribe(), missed, id, _seat: seat })
    }

    /// Where everything up to now is told, for `Last-Event-ID`.
    pub fn place(&self) -> String {
        format!("{}-{}", self.0.epoch, self.state().last)
    }

    fn number(&self, id: &str) -> Option<u64> {
        id.strip_prefix(&self.0.epoch)?.strip_prefix('-')?.parse().ok()
    }
}

/// One event of a stream (HTML, 9.2.6). JSON has no line breaks outside of its texts, and none in them.
pub fn frame(id: &str, event: &str, data: &Value) -> Bytes {
    format!("id: {id}\nevent: {event}\ndata: {data}\n\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(n: u64) -> Draft {
        Draft {
            kind: Kind::Config,
            channel: None,
            labels: BTreeMap::new(),
            severities: Vec::new(),
            data: serde_json::json!({"n": n, "text": "a\nb"}),
        }
    }

    fn shown(items: impl IntoIterator<Item = Item>) -> Vec<String> {
        let show = |item| match item {
            Item::Event(event) => event.seq.to_string(),
            Item::Reset => "reset".to_owned(),
        };
        items.into_iter().map(show).collect()
    }

    #[test]
    fn who_comes_back_gets_what_it_missed_or_a_reset() {
        let hub = Hub::new("abc");
        for n in 1..=5 {
            hub.publish(draft(n));
        }
        let missed = |id: Option<&str>| shown(hub.subscribe("x", 100, 100, id).unwrap().missed);
        for (id, expected) in [
            (None, &[][..]),
            (Some("abc-3"), &["4", "5"]),
            (Some("abc-0"), &["1", "2", "3", "4", "5"]),
            (Some("abc-5"), &[]),
            (Some("abc-6"), &["reset"]),
            (Some("xyz-3"), &["reset"]),
            (Some(""), &["reset"]),
            (Some("abc-"), &["reset"]),
        ] {
            assert_eq!(missed(id), expected, "{id:?}");
        }
        hub.reset();
        hub.publish(draft(7));
        assert_eq!(missed(Some("abc-5")), ["reset"]);
        assert_eq!(missed(Some("abc-6")), ["7"]);
        for n in 0..HISTORY as u64 + 10 {
            hub.publish(draft(n));
        }
        assert_eq!(missed(Some("abc-7")), ["reset"]);
        let newest = 7 + HISTORY as u64 + 10;
        assert_eq!(missed(Some(&format!("abc-{}", newest - 1))), [newest.to_string()]);
        assert_eq!(missed(Some(&format!("abc-{}", newest - HISTORY as u64))).len(), HISTORY);
    }

    #[tokio::test]
    async fn who_is_too_slow_is_told_and_costs_nobody_else() {
        let hub = Hub::new("abc");
        let mut slow = hub.subscribe("slow", 1, 10, None).unwrap();
        let mut quick = hub.subscribe("quick", 1, 10, None).unwrap();
        for n in 0..QUEUE as u64 * 2 {
            hub.publish(draft(n));
            assert!(matches!(quick.receiver.recv().await, Ok(Item::Event(e)) if e.seq == n + 1));
        }
        assert!(matches!(slow.receiver.recv().await, Err(broadcast::error::RecvError::Lagged(_))));
    }

    #[test]
    fn seats_are_counted_and_given_back() {
        let hub = Hub::new("abc");
        let first = hub.subscribe("a", 2, 3, None).unwrap();
        let _second = hub.subscribe("a", 2, 3, None).unwrap();
        assert_eq!(hub.subscribe("a", 2, 3, None).unwrap_err(), Refused::OfOne(2));
        let _other = hub.subscribe("b", 2, 3, None).unwrap();
        assert_eq!(hub.subscribe("c", 2, 3, None).unwrap_err(), Refused::OfAll(3));
        drop(first);
        assert!(hub.subscribe("a", 2, 3, None).is_ok());
        assert_eq!(hub.n_clients(), 2);
    }

    #[test]
    fn an_event_is_one_line_of_data() {
        let text = String::from_utf8(frame("abc-1", "config", &draft(1).data).to_vec()).unwrap();
        assert_eq!(text, "id: abc-1\nevent: config\ndata: {\"n\":1,\"text\":\"a\\nb\"}\n\n");
    }
}
