//! Configuration objects against a real server.

mod server;

use std::collections::BTreeMap;

use ow_domain::Slug;
use ow_domain::config::{ChangedBy, ConfigChange, ConfigKind, ConfigObject};
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
