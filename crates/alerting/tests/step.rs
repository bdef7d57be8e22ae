//! What verdicts do to alarms: by example, and for any sequence of verdicts.

mod harness;

use std::collections::{BTreeMap, BTreeSet};

use harness::{Router, condition, context, routes, verdict};
use ow_alerting::{ChannelAlarms, Decision, Mutes, Routes, step};
use ow_domain::Severity;
use ow_domain::incident::ChangeKind;
use ow_domain::verdict::{Condition, Position, Verdict};
use proptest::prelude::*;

/// One step without silences.
fn judged(state: &ChannelAlarms, verdict: &Verdict) -> Decision {
    step(state, verdict, &context(&routes(), &Mutes::default(), verdict.as_of))
}

fn check(verdicts: Vec<Verdict>, expected: &[&str]) -> Router {
    let mut router = Router::default();
    for verdict in &verdicts {
        router.take(verdict, &routes());
        router.restart();
    }
    assert_eq!(router.told, expected);
    assert!(router.violations.is_empty(), "{:?}", router.violations);
    router
}

use Severity::{Critical, Indeterminate, Info, Major, Minor};

#[test]
fn an_alarm_is_raised_changed_and_cleared_once() {
    let a = |s| vec![condition("a", s)];
    check(
        vec![
            verdict(1, 1, a(Minor)),
            verdict(1, 1, a(Minor)),
            verdict(1, 2, a(Minor)),
            verdict(1, 3, a(Critical)),
            verdict(1, 4, a(Minor)),
            verdict(1, 5, vec![]),
            verdict(1, 6, vec![]),
            verdict(1, 4, a(Critical)),
            verdict(1, 7, a(Major)),
        ],
        &[
            "log: raise a INC-1/1 minor",
            "log: update a INC-1/2 critical",
            "pager: raise a INC-1/2 critical",
            "log: update a INC-1/3 minor",
            "pager: update a INC-1/3 minor",
            "log: clear a INC-1/4 cleared",
            "pager: clear a INC-1/4 cleared",
            "log: raise a INC-2/1 major",
            "pager: raise a INC-2/1 major",
        ],
    );
}

#[test]
fn a_later_epoch_is_newer_whatever_its_sequence() {
    check(
        vec![
            verdict(1, 900, vec![condition("a", Minor)]),
            verdict(2, 3, vec![]),
            verdict(1, 901, vec![condition("a", Minor)]),
        ],
        &["log: raise a INC-1/1 minor", "log: clear a INC-1/2 cleared"],
    );
}

#[test]
fn what_cannot_be_told_neither_clears_nor_changes() {
    let unknown = |severity| Condition { indeterminate: true, ..condition("a", severity) };
    let blind = |seq| Verdict { severity: Indeterminate, ..verdict(1, seq, vec![]) };
    let router = check(
        vec![
            verdict(1, 1, vec![condition("a", Minor)]),
            verdict(1, 2, vec![unknown(Critical)]),
            verdict(1, 3, vec![condition("a", Indeterminate)]),
            verdict(1, 4, vec![condition("new", Indeterminate)]),
        ],
        &["log: raise a INC-1/1 minor", "log: clear a INC-1/2 cleared"],
    );
    assert!(router.state.open.is_empty());

    let router =
        check(vec![verdict(1, 1, vec![condition("a", Minor)]), blind(2), blind(3)], &["log: raise a INC-1/1 minor"]);
    assert!(router.state.open.values().all(|alarm| alarm.indeterminate));
    let router = check(
        vec![verdict(1, 1, vec![condition("a", Minor)]), blind(2), verdict(1, 3, vec![condition("a", Minor)])],
        &["log: raise a INC-1/1 minor"],
    );
    assert!(router.state.open.values().all(|alarm| !alarm.indeterminate));
}

#[test]
fn a_retired_channel_closes_everything_with_the_reason() {
    let retired = Verdict {
        retired: Some("channel-removed".to_owned()),
        severity: Indeterminate,
        ..verdict(1, 2, vec![condition("a", Minor)])
    };
    let mut router = Router::default();
    router.take(&verdict(1, 1, vec![condition("a", Minor), condition("b", Info)]), &routes());
    let Decision::Act(plan) = judged(&router.state, &retired) else { panic!("stale") };
    assert_eq!(plan.changes.len(), 2);
    for change in &plan.changes {
        assert_eq!(change.kind, ChangeKind::Clear);
        assert_eq!(change.notice.clear_reason.as_deref(), Some("channel-removed"));
        assert_eq!(change.notice.cleared_at, Some(retired.as_of));
        assert_eq!(change.is_info(), change.notice.check == "b");
    }
}

#[test]
fn info_is_recorded_and_never_told() {
    let router = check(
        vec![
            verdict(1, 1, vec![condition("a", Info)]),
            verdict(1, 2, vec![condition("a", Major)]),
            verdict(1, 3, vec![condition("a", Info)]),
            verdict(1, 4, vec![]),
        ],
        &[
            "log: raise a INC-2/1 major",
            "pager: raise a INC-2/1 major",
            "log: clear a INC-2/2 cleared",
            "pager: clear a INC-2/2 cleared",
        ],
    );
    assert_eq!(router.n_incidents, 3);
}

#[test]
fn an_event_is_raised_once_while_it_is_listed() {
    let event = |count| Condition { event: true, count, ..condition("reset", Minor) };
    check(
        vec![verdict(1, 1, vec![event(1)]), verdict(1, 2, vec![event(4)]), verdict(1, 3, vec![])],
        &["log: raise reset INC-1/1 minor", "log: clear reset INC-1/2 cleared"],
    );
}

#[test]
fn a_clear_goes_to_who_was_told_though_the_routes_have_changed() {
    let mut router = Router::default();
    router.take(&verdict(1, 1, vec![condition("a", Major)]), &routes());
    router.take(&verdict(1, 2, vec![]), &Routes::default());
    assert_eq!(router.told.iter().filter(|t| t.contains("clear")).count(), 2);
    assert!(router.views.is_empty() && router.violations.is_empty());
}

fn severities() -> impl Strategy<Value = Severity> {
    prop::sample::select(Severity::ALL.to_vec())
}

fn conditions() -> impl Strategy<Value = Vec<Condition>> {
    prop::collection::btree_map("[a-d]", (severities(), prop::bool::weighted(0.1), any::<bool>()), 0..4).prop_map(
        |map| {
            let make = |(check, (severity, indeterminate, event)): (String, _)| Condition {
                indeterminate,
                event,
                ..condition(&check, severity)
            };
            map.into_iter().map(make).collect()
        },
    )
}

/// A history of verdicts in order, and how the wire treats it: indexes may be missing, repeated, out of order.
fn history() -> impl Strategy<Value = (Vec<Verdict>, Vec<prop::sample::Index>)> {
    let row = (conditions(), prop::bool::weighted(0.05), prop::bool::weighted(0.1));
    (prop::collection::vec(row, 1..12), prop::collection::vec(any::<prop::sample::Index>(), 1..30)).prop_map(
        |(rows, order)| {
            let (mut epoch, mut seq) = (1, 0);
            let verdicts = rows.into_iter().map(|(conditions, retired, anew)| {
                (epoch, seq) = if anew { (epoch + 1, 1) } else { (epoch, seq + 1) };
                let mut verdict = verdict(epoch, seq, conditions);
                verdict.retired = retired.then(|| "channel-removed".to_owned());
                verdict
            });
            (verdicts.collect(), order)
        },
    )
}

fn routes_of(bits: u8) -> Routes {
    let mut routes = routes();
    routes.routes.retain(|r| bits & 1 == 0 || r.name != "log");
    if bits & 2 != 0 {
        routes.receivers.remove("pager");
    }
    routes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn receivers_end_with_the_view_of_the_last_verdict(
        (verdicts, order) in history(), cuts in prop::collection::vec(any::<bool>(), 30),
    ) {
        let routes = routes();
        let mut router = Router::default();
        let mut last: Option<&Verdict> = None;
        for (n, index) in order.iter().enumerate() {
            let verdict = index.get(&verdicts);
            router.take(verdict, &routes);
            if last.is_none_or(|l| l.position < verdict.position) {
                last = Some(verdict);
            }
            if cuts[n] {
                router.restart();
            }
        }
        let mut last = last.unwrap().clone();
        // A verdict that knows everything: unknown conditions leave what was before, which is tested by example.
        last.position.seq += 1;
        last.conditions.retain(|c| !c.indeterminate && c.severity != Indeterminate);
        last.severity = last.conditions.iter().map(|c| c.severity).max().unwrap_or(Severity::Cleared);
        router.take(&last, &routes);
        prop_assert!(router.violations.is_empty(), "{:?}", router.violations);

        let alarms: BTreeMap<&str, Severity> = last.conditions.iter()
            .filter(|c| c.severity.is_alarm() && last.retired.is_none())
            .map(|c| (c.fingerprint.as_str(), c.severity)).collect();
        for ((receiver, fingerprint), severity) in &router.views {
            prop_assert_eq!(alarms.get(fingerprint.as_str()), Some(severity), "{} {}", receiver, fingerprint);
        }
        for (fingerprint, severity) in &alarms {
            for (receiver, level) in [("log", Severity::Warning), ("pager", Major)] {
                let told = router.views.contains_key(&(receiver.to_owned(), (*fingerprint).to_owned()));
                prop_assert!(told || *severity < level, "{} was not told of {}", receiver, fingerprint);
            }
        }
    }

    #[test]
    fn no_raise_twice_and_no_clear_without_a_raise_under_changing_routes(
        (verdicts, order) in history(), bits in prop::collection::vec(any::<u8>(), 30),
    ) {
        let mut router = Router::default();
        let mut end = Position::default();
        for (n, index) in order.iter().enumerate() {
            let verdict = index.get(&verdicts);
            router.take(verdict, &routes_of(bits[n]));
            end = end.max(verdict.position);
        }
        router.take(&verdict(end.epoch, end.seq + 1, vec![]), &routes_of(0));
        prop_assert!(router.violations.is_empty(), "{:?}", router.violations);
        prop_assert!(router.views.is_empty(), "never told of the end: {:?}", router.views);
    }

    #[test]
    fn the_same_verdict_again_changes_nothing((verdicts, _) in history()) {
        let mut router = Router::default();
        for v in &verdicts {
            router.take(v, &routes());
            let told = router.told.len();
            prop_assert_eq!(judged(&router.state, v), Decision::Stale);
            // The same list at a later position.
            let again = Verdict { position: Position { seq: v.position.seq + 1, ..v.position }, ..v.clone() };
            let Decision::Act(plan) = judged(&router.state, &again) else { panic!("stale") };
            prop_assert!(plan.changes.is_empty(), "{:?}", plan.changes);
            prop_assert_eq!(router.told.len(), told);
        }
    }

    #[test]
    fn revisions_count_from_one_without_gaps((verdicts, _) in history()) {
        let mut router = Router::default();
        let mut revisions: BTreeMap<i64, u32> = BTreeMap::new();
        for v in &verdicts {
            if let Decision::Act(plan) = judged(&router.state, v) {
                let fresh = plan.changes.iter().filter(|c| c.incident.is_none()).count();
                for change in plan.changes.iter().filter_map(|c| Some((c.incident?, c))) {
                    let before = revisions.insert(change.0.0, change.1.notice.revision);
                    prop_assert_eq!(before.unwrap_or(1) + 1, change.1.notice.revision);
                }
                let keys: BTreeSet<_> =
                    plan.changes.iter().map(|c| (c.kind == ChangeKind::Clear, &c.notice.fingerprint)).collect();
                prop_assert_eq!(keys.len(), plan.changes.len());
                prop_assert!(fresh <= plan.changes.len());
                router.carry_out(&plan);
            }
        }
    }
}
