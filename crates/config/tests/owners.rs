//! Who owns what, what may be deleted, and what REST bodies are read as.

use ow_config::{Code, HIDDEN, Owner, Plan, Problem, SourceFile, document_of, plan, plan_edits, read, without_secrets};
use ow_domain::Slug;
use ow_domain::config::{ConfigKind, ConfigObject};
use serde_json::{Value, json};

const SET: &str = r#"
{apiVersion: ottwatch/v1, kind: Region, metadata: {name: south}}
---
{apiVersion: ottwatch/v1, kind: Region, metadata: {name: hcm}, spec: {parent: south, timeZone: Asia/Ho_Chi_Minh}}
---
{apiVersion: ottwatch/v1, kind: Packager, metadata: {name: p7}, spec: {region: hcm}}
---
{apiVersion: ottwatch/v1, kind: Probe, metadata: {name: hcm-1}, spec: {region: nowhere, drain: true}}
---
{apiVersion: ottwatch/v1, kind: Channel, metadata: {name: vtv3}, spec: {packager: free-text, probes: [hcm-1],
  streams: [{name: a, protocol: hls, url: "http://o/a", headers: {X-Key: geheim}}, {name: b, protocol: hls, url: "http://o/b"}]}}
---
{apiVersion: ottwatch/v1, kind: Group, metadata: {name: sport}, spec: {channels: [vtv3]}}
---
{apiVersion: ottwatch/v1, kind: Maintenance, metadata: {name: weekly}, spec: {groups: [sport], startsAt: 2026-12-01T02:00:00Z, duration: 2h, rrule: FREQ=DAILY}}
"#;

fn slug(text: &str) -> Slug {
    Slug::new(text).unwrap()
}

fn shown(problems: &[Problem]) -> String {
    problems.iter().map(|p| format!("{p}\n")).collect()
}

fn apply(stored: &[ConfigObject], text: &str, owner: Option<&Owner>) -> Result<Plan, Vec<Problem>> {
    let documents =
        read(&[SourceFile { name: "t".into(), text: text.into() }]).unwrap_or_else(|p| panic!("{}", shown(&p)));
    plan(stored, &documents, owner)
}

/// What is stored after a plan.
fn after(stored: &[ConfigObject], plan: &Plan) -> Vec<ConfigObject> {
    let changed: Vec<ConfigObject> = plan.create.iter().chain(plan.update.iter().map(|u| &u.object)).cloned().collect();
    let gone = |o: &ConfigObject| changed.iter().chain(&plan.delete).any(|c| (c.kind, &c.name) == (o.kind, &o.name));
    let mut all: Vec<ConfigObject> = stored.iter().filter(|o| !gone(o)).cloned().collect();
    all.extend(changed);
    all.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    all
}

#[test]
fn an_owner_prunes_what_is_its_own_and_nothing_else() {
    let git = Owner::new(slug("git"));
    let mine = "{apiVersion: ottwatch/v1, kind: Probe, metadata: {name: a}}\n---\n{apiVersion: ottwatch/v1, kind: Probe, metadata: {name: b}}";
    let first = apply(&[], mine, Some(&git)).unwrap();
    let stored = after(&[], &first);
    assert!(stored.iter().all(|o| o.managed_by() == Some("git")));
    // Somebody else's, and nobody's.
    let stored = after(
        &stored,
        &apply(
            &stored,
            "{apiVersion: ottwatch/v1, kind: Probe, metadata: {name: c}}",
            Some(&Owner::new(slug("other"))),
        )
        .unwrap(),
    );
    let stored =
        after(&stored, &apply(&stored, "{apiVersion: ottwatch/v1, kind: Probe, metadata: {name: d}}", None).unwrap());
    let prune = Owner { prune: true, ..git.clone() };
    let plan = apply(&stored, "{apiVersion: ottwatch/v1, kind: Probe, metadata: {name: a}}", Some(&prune)).unwrap();
    let deleted: Vec<&str> = plan.delete.iter().map(|o| o.name.as_str()).collect();
    assert_eq!((deleted, plan.unchanged.len()), (vec!["b"], 1), "{plan}");
    // Without an owner the label stays.
    let by_hand =
        apply(&stored, "{apiVersion: ottwatch/v1, kind: Probe, metadata: {name: a}, spec: {slots: 5}}", None).unwrap();
    assert_eq!(by_hand.update[0].object.managed_by(), Some("git"));
}

#[test]
fn what_another_owner_looks_after_is_taken_only_on_purpose() {
    let text = "{apiVersion: ottwatch/v1, kind: Probe, metadata: {name: a}}";
    let stored = after(&[], &apply(&[], text, Some(&Owner::new(slug("git")))).unwrap());
    let other = Owner::new(slug("other"));
    let problems = apply(&stored, text, Some(&other)).unwrap_err();
    assert_eq!(problems[0].code, Code::OtherOwner, "{}", shown(&problems));
    assert_eq!(problems[0].pointer, "/metadata/labels/managed-by");
    let taken = apply(&stored, text, Some(&Owner { take_over: true, ..other.clone() })).unwrap();
    assert_eq!(taken.update[0].object.managed_by(), Some("other"));
    let said = "{apiVersion: ottwatch/v1, kind: Probe, metadata: {name: x, labels: {managed-by: git}}}";
    assert_eq!(apply(&[], said, Some(&other)).unwrap_err()[0].code, Code::OtherOwner);
}

#[test]
fn what_is_used_cannot_be_deleted() {
    let stored = after(&[], &apply(&[], SET, None).unwrap());
    for (kind, name, users) in [
        (ConfigKind::Region, "south", "Region/hcm"),
        (ConfigKind::Region, "hcm", "Packager/p7"),
        (ConfigKind::Probe, "hcm-1", "Channel/vtv3"),
        (ConfigKind::Channel, "vtv3", "Group/sport"),
        (ConfigKind::Group, "sport", "Maintenance/weekly"),
    ] {
        let problems = plan_edits(&stored, &[], &[(kind, slug(name))]).unwrap_err();
        assert_eq!(problems[0].code, Code::StillUsed);
        assert!(problems[0].reason.ends_with(users), "{}", shown(&problems));
    }
    let both = [(ConfigKind::Group, slug("sport")), (ConfigKind::Maintenance, slug("weekly"))];
    assert_eq!(plan_edits(&stored, &[], &both).unwrap().delete.len(), 2);
    let gone = plan_edits(&stored, &[], &[(ConfigKind::Group, slug("none"))]).unwrap();
    assert!(gone.is_empty());
}

#[test]
fn names_of_new_kinds_lead_somewhere_and_circles_are_told() {
    let problems =
        apply(&[], &SET.replace("parent: south", "parent: soth").replace("groups: [sport]", "groups: [news]"), None)
            .unwrap_err();
    let text = shown(&problems);
    assert!(text.contains("no Region of this name") && text.contains("did you mean \"south\"?"), "{text}");
    assert!(text.contains("no Group of this name"), "{text}");
    let circle = "{apiVersion: ottwatch/v1, kind: Region, metadata: {name: a}, spec: {parent: b}}\n---\n{apiVersion: ottwatch/v1, kind: Region, metadata: {name: b}, spec: {parent: a}}";
    assert!(shown(&apply(&[], circle, None).unwrap_err()).contains("in a circle: a -> b -> a"));
}

#[test]
fn silences_and_windows_that_make_no_sense_are_told_with_the_field() {
    for (kind, spec, pointer) in [
        (
            ConfigKind::Silence,
            json!({"matchers": ["colour=red"], "startsAt": "2026-12-01T02:00:00Z", "endsAt": "2026-12-01T03:00:00Z"}),
            "/spec/matchers/0",
        ),
        (
            ConfigKind::Silence,
            json!({"matchers": ["channel=a"], "startsAt": "2026-12-01T02:00:00Z", "endsAt": "2026-12-01T02:00:00Z"}),
            "/spec/endsAt",
        ),
        (
            ConfigKind::Silence,
            json!({"matchers": [], "startsAt": "2026-12-01T02:00:00Z", "endsAt": "2026-12-01T03:00:00Z"}),
            "/spec/matchers",
        ),
        (ConfigKind::Maintenance, json!({"startsAt": "2026-12-01T02:00:00Z", "duration": "2h"}), "/spec/matchers"),
        (ConfigKind::Maintenance, json!({"groups": ["a"], "startsAt": "2026-12-01T02:00:00Z"}), "/spec/duration"),
        (
            ConfigKind::Maintenance,
            json!({"groups": ["a"], "startsAt": "2026-12-01T02:00:00Z", "duration": "2h", "rrule": "FREQ=HOURLY"}),
            "/spec/rrule",
        ),
        (
            ConfigKind::Maintenance,
            json!({"groups": ["a"], "startsAt": "2026-12-01T02:00:00Z", "duration": "2h", "rrule": "FREQ=DAILY", "timeZone": "Mars"}),
            "/spec/timeZone",
        ),
        (
            ConfigKind::Maintenance,
            json!({"groups": ["a"], "startsAt": "2026-12-01T02:00:00Z", "endsAt": "2026-12-02T02:00:00Z", "rrule": "FREQ=DAILY"}),
            "/spec/endsAt",
        ),
        (ConfigKind::Region, json!({"timeZone": "Mars"}), "/spec/timeZone"),
    ] {
        let problems = document_of(kind, &slug("x"), None, Some(&spec)).unwrap_err();
        assert!(
            problems.iter().any(|p| p.pointer == pointer && !p.example.is_empty()),
            "{pointer}: {}",
            shown(&problems)
        );
    }
}

#[test]
fn bodies_of_requests_are_read_strictly_with_pointers_into_the_body() {
    for (labels, spec, pointer, code) in [
        (json!({"Group": "x"}), json!({}), "/labels/Group", Code::InvalidValue),
        (json!({"group": 5}), json!({}), "/labels/group", Code::WrongType),
        (json!({}), json!({"slots": "5"}), "/spec/slots", Code::InvalidValue),
        (json!({}), json!({"slots": null}), "/spec/slots", Code::WrongType),
        (json!({}), json!({"region": 5}), "/spec/region", Code::WrongType),
        (json!({}), json!({"colour": 5}), "/spec/colour", Code::UnknownField),
        (json!({}), json!([]), "/spec", Code::WrongType),
    ] {
        let problems = document_of(ConfigKind::Probe, &slug("x"), Some(&labels), Some(&spec)).unwrap_err();
        assert_eq!((problems[0].pointer.as_str(), problems[0].code), (pointer, code), "{}", shown(&problems));
    }
    let spec = json!({"type": "snmp", "target": "nms:162", "minSeverity": "major", "perSecond": 100});
    let document = document_of(ConfigKind::Receiver, &slug("nms"), None, Some(&spec)).unwrap();
    assert_eq!(document.object.spec, json!({"type": "snmp", "target": "nms:162", "min_severity": "major"}));
    let back = ow_config::spec_json(&document.object);
    assert_eq!(back, json!({"type": "snmp", "target": "nms:162", "minSeverity": "major"}));
}

#[test]
fn secrets_are_not_shown_and_survive_being_written_back() {
    let stored = after(&[], &apply(&[], SET, None).unwrap());
    let channel = stored.iter().find(|o| o.kind == ConfigKind::Channel).unwrap();
    let shown_spec = ow_config::spec_json(&without_secrets(channel.clone()));
    assert_eq!(shown_spec["streams"][0]["headers"]["X-Key"], HIDDEN);
    let put = |spec: &Value| {
        let document = document_of(ConfigKind::Channel, &channel.name, None, Some(spec)).unwrap();
        plan_edits(&stored, &[document], &[])
    };
    assert!(put(&shown_spec).unwrap().is_empty());
    // The stream moves; its header goes with it.
    let mut moved = shown_spec.clone();
    moved["streams"].as_array_mut().unwrap().reverse();
    let plan = put(&moved).unwrap();
    assert_eq!(plan.update[0].object.spec["streams"][1]["headers"]["X-Key"], "geheim");
    // Another stream has no such header.
    moved["streams"][0]["headers"] = json!({"X-Key": HIDDEN});
    let problems = put(&moved).unwrap_err();
    assert_eq!(problems[0].pointer, "/spec/streams/0/headers/X-Key");
    assert!(!shown(&problems).contains("geheim"));
}
