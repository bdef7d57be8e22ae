//! Acknowledgement, shelves, silences and resolutions by hand: by example, and in any order with verdicts.

mod harness;

use harness::{Router, condition, context, routes, verdict};
use ow_alerting::{MAX_SHELF, Mute, Mutes, Order, Plan, Refused, operate, reassess};
use ow_domain::Severity::{self, Critical, Info, Major, Minor};
use ow_domain::Time;
use ow_domain::operation::{OperationKind, Suppression, SuppressionKind};
use ow_domain::verdict::Condition;
use proptest::prelude::*;

fn at(seconds: i64) -> Time {
    Time::from_unix_micros(seconds * 1_000_000)
}

fn silence(name: &str, matcher: &str) -> Mutes {
    Mutes(vec![Mute {
        suppression: Suppression { kind: SuppressionKind::Silence, by: name.to_owned(), until: None, note: None },
        matchers: vec![matcher.parse().unwrap()],
        groups: Vec::new(),
    }])
}

/// A router, its silences, and a clock.
#[derive(Default)]
struct World {
    router: Router,
    mutes: Mutes,
    now: i64,
    seq: u64,
}

impl World {
    /// A verdict one second later.
    fn judge(&mut self, conditions: Vec<Condition>) {
        (self.now, self.seq) = (self.now + 1, self.seq + 1);
        let verdict = verdict(1, self.seq, conditions);
        self.router.take_in(&verdict, &context(&routes(), &self.mutes, at(self.now)));
        self.router.restart();
    }

    /// Time and rules alone.
    fn look(&mut self, now: i64) {
        self.now = now;
        let routes = routes();
        if let Some(plan) = reassess(&self.router.state, &context(&routes, &self.mutes, at(now))) {
            assert_eq!(plan.advance, None);
            self.router.carry_out(&plan);
        }
        assert_eq!(reassess(&self.router.state, &context(&routes, &self.mutes, at(now))), None);
    }

    fn order(&mut self, check: &str, order: &Order) -> Result<bool, Refused> {
        let alarm = self.router.state.open.values().find(|a| a.notice.check == check).unwrap();
        let Some(change) = operate(alarm, order, "lan", at(self.now))? else { return Ok(false) };
        assert_eq!(change.notice.operation.as_ref().unwrap().kind, order.kind());
        let plan = Plan::standing(&self.router.state, vec![change]);
        self.router.carry_out(&plan);
        self.router.restart();
        Ok(true)
    }

    fn told(&mut self) -> Vec<String> {
        assert!(self.router.violations.is_empty(), "{:?}", self.router.violations);
        std::mem::take(&mut self.router.told)
    }

    fn open(&self, check: &str) -> &ow_alerting::OpenAlarm {
        self.router.state.open.values().find(|a| a.notice.check == check).unwrap()
    }
}

fn a(severity: Severity) -> Vec<Condition> {
    vec![condition("a", severity)]
}

fn ack(until: Option<i64>) -> Order {
    Order::Ack { note: Some("on it".to_owned()), until: until.map(at) }
}

fn shelve(until: i64) -> Order {
    Order::Shelve { note: "known".to_owned(), until: at(until) }
}

fn resolve() -> Order {
    Order::Resolve { note: "gone".to_owned() }
}

#[test]
fn who_knows_of_an_alarm_hears_who_has_it() {
    let mut world = World::default();
    world.judge(a(Minor));
    world.told();
    assert_eq!(world.order("a", &ack(None)), Ok(true));
    assert_eq!(world.order("a", &ack(None)), Ok(false), "the same again");
    assert_eq!(world.order("a", &Order::Note { note: "called them".to_owned() }), Ok(true));
    assert_eq!(world.told(), ["log: update a INC-1/2 minor", "log: update a INC-1/3 minor"]);
    assert_eq!(world.open("a").notice.ack.as_ref().unwrap().by, "lan");
    // Worse: it is nobody's again.
    world.judge(a(Critical));
    assert_eq!(world.told(), ["log: update a INC-1/4 critical", "pager: raise a INC-1/4 critical"]);
    assert_eq!(world.open("a").notice.ack, None);
    // Milder: it stays.
    world.order("a", &ack(None)).unwrap();
    world.judge(a(Major));
    assert!(world.open("a").notice.ack.is_some());
    assert_eq!(world.order("a", &Order::Unack { note: None }), Ok(true));
    assert_eq!(world.order("a", &Order::Unack { note: None }), Ok(false));
    world.judge(vec![]);
    assert_eq!(world.told().len(), 8);
}

#[test]
fn an_acknowledgement_ends_at_its_time() {
    let mut world = World::default();
    world.judge(a(Minor));
    world.order("a", &ack(Some(10))).unwrap();
    world.told();
    world.look(9);
    assert_eq!(world.told(), [""; 0]);
    world.look(10);
    assert_eq!(world.told(), ["log: update a INC-1/3 minor"]);
    let notice = &world.open("a").notice;
    assert_eq!((notice.ack.as_ref(), notice.operation.as_ref().unwrap().kind), (None, OperationKind::Unack));
}

#[test]
fn a_silenced_alarm_is_told_when_the_silence_ends_and_it_still_burns() {
    let mut world = World { mutes: silence("works", "check=a"), ..World::default() };
    world.judge(vec![condition("a", Minor), condition("b", Minor)]);
    assert_eq!(world.told(), ["log: raise b INC-2/1 minor"]);
    assert_eq!(world.open("a").notice.suppressed[0].by, "works");
    world.judge(a(Major));
    world.judge(a(Critical));
    assert_eq!(world.told(), ["log: clear b INC-2/2 cleared"]);
    world.mutes = Mutes::default();
    world.look(60);
    assert_eq!(world.told(), ["log: raise a INC-1/4 critical", "pager: raise a INC-1/4 critical"]);
    let notice = &world.open("a").notice;
    assert_eq!(notice.operation.as_ref().unwrap().note.as_deref(), Some("silence works"));
    world.judge(vec![]);
    assert_eq!(world.told(), ["log: clear a INC-1/5 cleared", "pager: clear a INC-1/5 cleared"]);

    // Over before the silence is: nobody ever hears of it.
    world.mutes = silence("works", "check=a");
    world.judge(a(Critical));
    world.judge(vec![]);
    world.mutes = Mutes::default();
    world.look(90);
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn a_silence_over_an_announced_alarm_hides_all_but_its_end() {
    let mut world = World::default();
    world.judge(a(Minor));
    assert_eq!(world.told(), ["log: raise a INC-1/1 minor"]);
    world.mutes = silence("works", "channel=vtv3");
    world.look(5);
    world.judge(a(Critical));
    world.order("a", &ack(None)).unwrap();
    world.judge(a(Major));
    assert_eq!(world.told(), [""; 0]);
    world.judge(vec![]);
    assert_eq!(world.told(), ["log: clear a INC-1/6 cleared"]);

    // The silence ends first: they hear what has become of it, and others hear of it.
    world.mutes = Mutes::default();
    world.judge(a(Minor));
    world.mutes = silence("works", "channel=vtv3");
    world.judge(a(Major));
    world.told();
    world.mutes = Mutes::default();
    world.judge(a(Major));
    assert_eq!(world.told(), ["log: update a INC-2/3 major", "pager: raise a INC-2/3 major"]);
    // Nothing has changed meanwhile: nobody is told twice.
    world.mutes = silence("works", "channel=vtv3");
    world.look(100);
    world.mutes = Mutes::default();
    world.look(101);
    assert_eq!(world.told(), [""; 0]);
    assert!(world.open("a").notice.suppressed.is_empty());
}

#[test]
fn a_shelf_is_quiet_until_its_time_or_until_it_is_taken_back() {
    let mut world = World::default();
    world.judge(a(Minor));
    world.told();
    world.order("a", &shelve(100)).unwrap();
    assert_eq!(world.told(), ["log: update a INC-1/2 minor"]);
    world.judge(a(Critical));
    world.look(99);
    assert_eq!(world.told(), [""; 0]);
    world.look(100);
    assert_eq!(world.told(), ["log: update a INC-1/4 critical", "pager: raise a INC-1/4 critical"]);

    world.order("a", &shelve(200)).unwrap();
    world.told();
    assert_eq!(world.order("a", &Order::Unshelve { note: None }), Ok(true));
    assert_eq!(world.order("a", &Order::Unshelve { note: None }), Ok(false));
    assert_eq!(world.told(), [""; 0]);
    world.look(101);
    assert_eq!(world.told(), ["log: update a INC-1/7 critical", "pager: update a INC-1/7 critical"]);
    assert!(world.open("a").notice.suppressed.is_empty());
}

#[test]
fn what_was_closed_by_hand_begins_anew_when_a_check_fails_again() {
    let failed = |seconds| vec![Condition { last_failed_at: at(seconds), ..condition("a", Minor) }];
    let mut world = World::default();
    world.judge(failed(1));
    world.now = 20;
    world.order("a", &resolve()).unwrap();
    assert_eq!(world.told(), ["log: raise a INC-1/1 minor", "log: clear a INC-1/2 cleared"]);
    // Listed still, but nothing has failed since.
    world.judge(failed(19));
    world.judge(failed(20));
    assert_eq!(world.told(), [""; 0]);
    world.judge(failed(21));
    assert_eq!(world.told(), ["log: raise a INC-2/1 minor"]);
    assert_eq!(world.open("a").notice.reopens.unwrap().0, 1);
    assert!(world.router.state.forced.is_empty());

    // Seen to be well in between: an alarm like any other.
    world.now = 40;
    world.order("a", &resolve()).unwrap();
    world.judge(vec![]);
    world.judge(failed(30));
    assert_eq!(world.told(), ["log: clear a INC-2/2 cleared", "log: raise a INC-3/1 minor"]);
    assert_eq!(world.open("a").notice.reopens, None);
}

#[test]
fn orders_that_make_no_sense_are_refused() {
    let mut world = World::default();
    world.judge(vec![condition("a", Minor), condition("note", Info)]);
    world.now = 10;
    let past = |until| Refused::Past { until: at(until), now: at(10) };
    for (check, order, expected) in [
        ("a", ack(Some(10)), past(10)),
        ("a", shelve(3), past(3)),
        ("a", shelve(10 + 8 * 3600 + 1), Refused::TooLong { until: at(10 + 8 * 3600 + 1), latest: at(10) + MAX_SHELF }),
        ("a", Order::Note { note: " ".to_owned() }, Refused::NoteMissing),
        ("a", Order::Resolve { note: String::new() }, Refused::NoteMissing),
        ("a", Order::Note { note: "x".repeat(2001) }, Refused::NoteTooLong),
        ("a", Order::Note { note: "a\0b".to_owned() }, Refused::NoteCharacters),
        ("note", ack(None), Refused::OnlyRecorded),
        ("note", shelve(20), Refused::OnlyRecorded),
    ] {
        assert_eq!(world.order(check, &order), Err(expected), "{order:?}");
    }
    assert_eq!(world.order("note", &resolve()), Ok(true));
    assert_eq!(world.told(), ["log: raise a INC-1/1 minor"]);
}

#[derive(Debug, Clone)]
enum Event {
    Judge(Vec<(String, Severity)>),
    Mute(u8),
    Look(u8),
    Order(u8, u8),
}

fn event() -> impl Strategy<Value = Event> {
    let severity = prop::sample::select(vec![Minor, Major, Critical, Info]);
    prop_oneof![
        prop::collection::btree_map("[a-c]", severity, 0..3).prop_map(|m| Event::Judge(m.into_iter().collect())),
        any::<u8>().prop_map(Event::Mute),
        (1_u8..40).prop_map(Event::Look),
        (any::<u8>(), any::<u8>()).prop_map(|(which, what)| Event::Order(which, what)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn nobody_is_told_twice_and_what_was_announced_is_closed(events in prop::collection::vec(event(), 1..40)) {
        let mut world = World::default();
        for event in events {
            let before = world.router.told.len();
            match event {
                Event::Judge(list) => {
                    let now = at(world.now + 1);
                    let make = |(check, severity): (String, _)|
                        Condition { last_failed_at: now, ..condition(&check, severity) };
                    world.judge(list.into_iter().map(make).collect());
                }
                Event::Mute(bits) => {
                    let names = ["a", "b", "c"].iter().enumerate().filter(|(n, _)| bits & (1 << n) != 0);
                    world.mutes = Mutes(names.flat_map(|(_, n)| silence(n, &format!("check={n}")).0).collect());
                }
                Event::Look(seconds) => world.look(world.now + i64::from(seconds)),
                Event::Order(which, what) => {
                    let open: Vec<String> = world.router.state.open.values().map(|a| a.notice.check.clone()).collect();
                    if open.is_empty() {
                        continue;
                    }
                    let check = &open[usize::from(which) % open.len()];
                    let order = match what % 6 {
                        0 => ack(None),
                        1 => ack(Some(world.now + 20)),
                        2 => Order::Unack { note: None },
                        3 => shelve(world.now + 20),
                        4 => Order::Unshelve { note: None },
                        _ => resolve(),
                    };
                    let _ = world.order(check, &order);
                }
            }
            // Whoever decides while something is hidden tells nobody but its end.
            for alarm in world.router.state.open.values().filter(|a| !a.notice.suppressed.is_empty()) {
                let silent = world.mutes.of(&alarm.notice);
                let mark = format!(" {} INC-{}/", alarm.notice.check, alarm.incident.0);
                let told = world.router.told[before..].iter().any(|t| t.contains(&mark));
                let shelving = alarm.notice.operation.as_ref().is_some_and(|o| o.kind == OperationKind::Shelve);
                prop_assert!(!told || silent.is_empty() || shelving, "{:?}", &world.router.told[before..]);
            }
            prop_assert!(world.router.violations.is_empty(), "{:?}", world.router.violations);
        }
        // All rules end: everybody sees what is so.
        world.mutes = Mutes::default();
        world.look(world.now + 9 * 3600);
        for alarm in world.router.state.open.values().filter(|a| !a.is_info()) {
            prop_assert!(alarm.notice.suppressed.is_empty() && !alarm.owed);
            let view = |who: &str| world.router.views.get(&(who.to_owned(), alarm.notice.fingerprint.clone())).copied();
            prop_assert_eq!(view("log"), Some(alarm.severity()));
            prop_assert!(alarm.severity() < Major || view("pager") == Some(alarm.severity()));
        }
        world.judge(vec![]);
        prop_assert!(world.router.views.is_empty(), "never told of the end: {:?}", world.router.views);
        prop_assert!(world.router.state.forced.is_empty());
    }
}
