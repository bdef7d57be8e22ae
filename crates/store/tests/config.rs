//! Configuration objects against a real server.

mod server;

use std::collections::BTreeMap;

use ow_domain::Slug;
use ow_domain::config::{ChangedBy, ConfigChange, ConfigKind, ConfigObject};
use ow_store::config::{ConfigQuery, ConfigSort, FieldTest, Names};
use ow_store::{Store, StoreError};
use serde_json::{Value, json};
use server::Server;

fn object(kind: ConfigKind, name: &str, spec: Value) -> ConfigObject {
    let labels = BTreeMap::from([("group".to_owned(), "sport".to_owned())]);
    ConfigObject { kind, name: Slug::new(name).unwrap(), labels, spec, revision: 0 }
}

fn by() -> ChangedBy {
    ChangedBy { actor: "lan".into(), source: "cli".into() }
}

fn set() -> Vec<ConfigObject> {
    let headers = json!({"Authorization": "Bearer geheim"});
    vec![
        // What refers comes before what is referred to: references count at the end.
        object(
            ConfigKind::Channel,
            "vtv3",
            json!({"template": "hd", "probes": ["p1"], "displayName": "Truyền hình",
                "streams": [{"name": "main", "protocol": "hls", "url": "http://o/1", "headers": headers}]}),
        ),
        object(ConfigKind::Route, "all", json!({"receivers": ["nms"]})),
        object(
            ConfigKind::Template,
            "hd",
            json!({"extends": "base", "checks": {"overrides": {"c": {"params": {"n": 2.5}}}}}),
        ),
        object(ConfigKind::Template, "base", json!({})),
        object(ConfigKind::Probe, "p1", json!({"region": "hcm"})),
        object(ConfigKind::Receiver, "nms", json!({"type": "snmp", "target": "nms:162"})),
    ]
}

async fn create(store: &Store, objects: &[ConfigObject]) -> Result<u64, StoreError> {
    let changes: Vec<ConfigChange> = objects.iter().cloned().map(ConfigChange::Create).collect();
    store.apply_config(&changes, &by()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_kept_as_they_were_given() {
    let server = Server::start();
    let store = server.migrated().await;
    assert_eq!(store.load_config().await.unwrap().revision, 0);
    assert_eq!(create(&store, &set()).await.unwrap(), 1);

    let snapshot = store.load_config().await.unwrap();
    let mut expected: Vec<ConfigObject> = set().into_iter().map(|o| ConfigObject { revision: 1, ..o }).collect();
    expected.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    assert_eq!(snapshot.objects, expected);
    assert_eq!(snapshot.of(ConfigKind::Template).count(), 2);

    // Nothing to do is no revision.
    assert_eq!(store.apply_config(&[], &by()).await.unwrap(), 1);

    let audit = store.config_audit(100).await.unwrap();
    assert_eq!(audit.len(), 6);
    assert!(audit.iter().all(|e| e.action == "create" && e.before.is_none() && e.by == by() && e.revision == 1));
    assert!(!format!("{audit:?}").contains("geheim"), "{audit:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_set_is_made_whole_or_not_at_all() {
    let server = Server::start();
    let store = server.migrated().await;
    create(&store, &set()).await.unwrap();
    let before = store.load_config().await.unwrap();

    let dangling = object(ConfigKind::Channel, "b", json!({"probes": ["gone"], "streams": []}));
    let good = object(ConfigKind::Probe, "p2", json!({}));
    let refused: [(&str, Vec<ConfigChange>); 5] = [
        ("a probe that does not exist", vec![ConfigChange::Create(good.clone()), ConfigChange::Create(dangling)]),
        ("an object that is there", vec![ConfigChange::Create(good.clone()), ConfigChange::Create(set().remove(4))]),
        (
            "an old revision",
            vec![
                ConfigChange::Create(good.clone()),
                ConfigChange::Update(ConfigObject { revision: 7, ..set().remove(4) }),
            ],
        ),
        (
            "a template in use",
            vec![
                ConfigChange::Create(good.clone()),
                ConfigChange::Delete { kind: ConfigKind::Template, name: Slug::new("base").unwrap(), revision: 1 },
            ],
        ),
        (
            "something that is not there",
            vec![
                ConfigChange::Create(good),
                ConfigChange::Delete { kind: ConfigKind::Probe, name: Slug::new("p9").unwrap(), revision: 1 },
            ],
        ),
    ];
    for (what, changes) in refused {
        let error = store.apply_config(&changes, &by()).await.expect_err(what);
        assert!(matches!(error, StoreError::Conflict { .. }), "{what}: {}", error.chain());
        assert_eq!(store.load_config().await.unwrap(), before, "{what}");
    }
    assert_eq!(store.config_audit(100).await.unwrap().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_and_deletes_go_by_revision() {
    let server = Server::start();
    let store = server.migrated().await;
    create(&store, &set()).await.unwrap();
    let mut channel = set().remove(0);
    channel.revision = 1;
    channel.spec["streams"] = json!([{"name": "b", "protocol": "dash", "url": "http://o/2"}]);
    channel.spec["template"] = json!("base");
    let template =
        |name: &str| ConfigChange::Delete { kind: ConfigKind::Template, name: Slug::new(name).unwrap(), revision: 1 };
    let changes = [ConfigChange::Update(channel.clone()), template("hd")];
    assert_eq!(store.apply_config(&changes, &by()).await.unwrap(), 2);
    let snapshot = store.load_config().await.unwrap();
    assert_eq!(snapshot.revision, 2);
    let stored = snapshot.of(ConfigKind::Channel).next().unwrap();
    assert_eq!((stored.revision, &stored.spec), (2, &channel.spec));
    assert_eq!(snapshot.of(ConfigKind::Template).count(), 1);

    let audit = store.config_audit(2).await.unwrap();
    assert_eq!((audit[0].action.as_str(), audit[0].name.as_str()), ("delete", "hd"));
    assert_eq!(audit[1].before.as_ref().unwrap()["spec"]["template"], "hd");
    assert_eq!(audit[1].after.as_ref().unwrap()["spec"]["template"], "base");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_change_one_object_at_once_one_wins() {
    let server = Server::start();
    let store = server.migrated().await;
    create(&store, &[object(ConfigKind::Probe, "p", json!({}))]).await.unwrap();
    let tasks: Vec<_> = (1..=6)
        .map(|slots| {
            let store = store.clone();
            let change = ConfigObject { revision: 1, ..object(ConfigKind::Probe, "p", json!({"slots": slots})) };
            tokio::spawn(async move { store.apply_config(&[ConfigChange::Update(change)], &by()).await })
        })
        .collect();
    let mut n_won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(revision) => {
                n_won += 1;
                assert_eq!(revision, 2);
            }
            Err(error) => assert!(matches!(error, StoreError::Conflict { .. }), "{}", error.chain()),
        }
    }
    assert_eq!(n_won, 1);
}

fn slug(text: &str) -> Slug {
    Slug::new(text).unwrap()
}

/// Names of one page.
async fn names(store: &Store, query: &ConfigQuery) -> Vec<String> {
    store.list_config(query).await.unwrap().into_iter().map(|stored| stored.object.name.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_is_kept_and_references_of_new_kinds_hold() {
    let server = Server::start();
    let store = server.migrated().await;
    let mut all = set();
    all.extend([
        object(ConfigKind::Maintenance, "weekly", json!({"groups": ["sport"], "startsAt": "2026-12-01T02:00:00Z"})),
        object(ConfigKind::Silence, "quiet", json!({"matchers": ["channel=vtv3"]})),
        object(ConfigKind::Group, "sport", json!({"channels": ["vtv3"]})),
        object(ConfigKind::Packager, "p7", json!({"region": "hcm"})),
        object(ConfigKind::Region, "hcm", json!({"parent": "south"})),
        object(ConfigKind::Region, "south", json!({})),
    ]);
    create(&store, &all).await.unwrap();
    let kinds: std::collections::BTreeSet<ConfigKind> =
        store.load_config().await.unwrap().objects.iter().map(|o| o.kind).collect();
    assert_eq!(kinds.len(), ConfigKind::ALL.len());
    for (kind, name) in [
        (ConfigKind::Region, "south"),
        (ConfigKind::Region, "hcm"),
        (ConfigKind::Channel, "vtv3"),
        (ConfigKind::Group, "sport"),
    ] {
        let delete = ConfigChange::Delete { kind, name: slug(name), revision: 1 };
        let refused = store.apply_config(&[delete], &by()).await.unwrap_err();
        assert!(matches!(refused, StoreError::Conflict { .. }), "{kind}/{name}: {}", refused.chain());
    }
    let delete = |kind, name| ConfigChange::Delete { kind, name: slug(name), revision: 1 };
    let together = [delete(ConfigKind::Group, "sport"), delete(ConfigKind::Maintenance, "weekly")];
    assert_eq!(store.apply_config(&together, &by()).await.unwrap(), 2);
    // One object twice in one set.
    let twice = [delete(ConfigKind::Silence, "quiet"), delete(ConfigKind::Silence, "quiet")];
    assert!(matches!(store.apply_config(&twice, &by()).await, Err(StoreError::Conflict { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_sorted_and_cut_into_pages() {
    let server = Server::start();
    let store = server.migrated().await;
    let mut all = vec![
        object(ConfigKind::Probe, "p1", json!({})),
        object(ConfigKind::Probe, "p2", json!({"drain": true})),
        object(ConfigKind::Template, "hd", json!({})),
    ];
    for n in 0..7 {
        let spec = json!({
            "displayName": format!("Kênh 100% {n}"), "probes": [if n % 2 == 0 { "p1" } else { "p2" }], "streams": [],
            "template": "hd", "enabled": n != 3,
        });
        let mut channel = object(ConfigKind::Channel, &format!("c{n}"), spec);
        channel.labels.insert("site".into(), if n < 4 { "hcm".into() } else { "han".into() });
        all.push(channel);
    }
    create(&store, &all).await.unwrap();
    // c2 is the last one changed.
    let c2 = store.config_object(ConfigKind::Channel, &slug("c2")).await.unwrap().unwrap();
    let mut changed = c2.object.clone();
    changed.spec["enabled"] = false.into();
    store.apply_config(&[ConfigChange::Update(changed)], &by()).await.unwrap();
    assert!(store.config_object(ConfigKind::Channel, &slug("c2")).await.unwrap().unwrap().changed_at > c2.changed_at);
    assert!(store.config_object(ConfigKind::Channel, &slug("none")).await.unwrap().is_none());

    let channels = || ConfigQuery::new(ConfigKind::Channel, 100);
    let labels = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
    let scope = |key: &str, values: &[&str]| {
        Some(BTreeMap::from([(key.to_owned(), values.iter().map(|v| (*v).to_owned()).collect())]))
    };
    for (query, expected) in [
        (channels(), "c0 c1 c2 c3 c4 c5 c6"),
        (ConfigQuery { descending: true, limit: 2, ..channels() }, "c6 c5"),
        (ConfigQuery { labels: labels("site", "han"), ..channels() }, "c4 c5 c6"),
        (ConfigQuery { labels: labels("site", "x"), ..channels() }, ""),
        (ConfigQuery { scope: scope("site", &["hcm", "x"]), ..channels() }, "c0 c1 c2 c3"),
        (ConfigQuery { scope: scope("none", &["hcm"]), ..channels() }, ""),
        (ConfigQuery { search: Some("KÊNH 100% 5".into()), ..channels() }, "c5"),
        (ConfigQuery { search: Some("100_".into()), ..channels() }, ""),
        (ConfigQuery { fields: vec![FieldTest::Has("probes", "p2".into())], ..channels() }, "c1 c3 c5"),
        (ConfigQuery { fields: vec![FieldTest::Is("template", "x".into())], ..channels() }, ""),
        (
            ConfigQuery {
                fields: vec![
                    FieldTest::Is("template", "hd".into()),
                    FieldTest::Flag { field: "enabled", is: false, default: true },
                ],
                ..channels()
            },
            "c2 c3",
        ),
        (ConfigQuery { names: Some(Names::Only(vec!["c1".into(), "x".into()])), ..channels() }, "c1"),
        (ConfigQuery { names: Some(Names::Except(vec!["c1".into()])), limit: 2, ..channels() }, "c0 c2"),
        (ConfigQuery { sort: ConfigSort::ChangedAt, descending: true, limit: 1, ..channels() }, "c2"),
    ] {
        assert_eq!(names(&store, &query).await.join(" "), expected, "{query:?}");
        if query.limit == 100 {
            assert_eq!(store.count_config(&query).await.unwrap() as usize, expected.split_whitespace().count());
        }
    }
    // Every order shows everything once, page by page.
    for (sort, descending) in [
        (ConfigSort::Name, false),
        (ConfigSort::Name, true),
        (ConfigSort::ChangedAt, false),
        (ConfigSort::ChangedAt, true),
    ] {
        let mut query = ConfigQuery { sort, descending, limit: 3, ..channels() };
        let mut seen = Vec::new();
        loop {
            let page = store.list_config(&query).await.unwrap();
            let Some(last) = page.last() else { break };
            query.after = Some((last.object.name.to_string(), last.changed_at));
            seen.extend(page.into_iter().map(|stored| stored.object.name.to_string()));
        }
        let mut sorted = seen.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!((seen.len(), sorted.len()), (7, 7), "{sort:?} {descending}: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_has_one_token_and_only_its_hash_is_kept() {
    let server = Server::start();
    let store = server.migrated().await;
    create(&store, &[object(ConfigKind::Probe, "p1", json!({}))]).await.unwrap();
    assert!(!store.enrol_probe(&slug("none"), &[1; 32], &by()).await.unwrap());
    assert!(store.enrol_probe(&slug("p1"), &[1; 32], &by()).await.unwrap());
    assert_eq!(store.probe_of_token(&[1; 32]).await.unwrap().as_deref(), Some("p1"));
    assert!(store.enrol_probe(&slug("p1"), &[2; 32], &by()).await.unwrap());
    assert_eq!(store.probe_of_token(&[1; 32]).await.unwrap(), None, "the new one replaces the old one");
    let enrolled = store.probe_credentials(&["p1".into(), "p2".into()]).await.unwrap();
    assert_eq!((enrolled.len(), enrolled[0].created_by.as_str()), (1, "lan"));
    assert!(store.revoke_probe(&slug("p1"), &by()).await.unwrap());
    assert!(!store.revoke_probe(&slug("p1"), &by()).await.unwrap());
    assert_eq!(store.probe_of_token(&[2; 32]).await.unwrap(), None);
}
