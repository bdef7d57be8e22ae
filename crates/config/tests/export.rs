//! Export and apply are each other's inverse.

use ow_config::{Owner, SourceFile, export, plan, read};
use ow_domain::config::{ConfigObject, MANAGED_BY};
use proptest::prelude::*;

fn objects(text: &str) -> Vec<ConfigObject> {
    let documents = read(&[SourceFile { name: "t".into(), text: text.into() }])
        .unwrap_or_else(|p| panic!("{}\n{text}", p.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")));
    documents.into_iter().map(|d| d.object).collect()
}

const SET: &str = r#"
apiVersion: ottwatch/v1
kind: Channel
metadata: {name: vtv3, labels: {group: sport, "007": "1.0"}}
spec:
  enabled: true
  streams:
    - {url: "http://10.0.0.7/vtv3/master.m3u8?a=b#c", protocol: hls, name: main, headers: {X-Key: "a: b #c"}}
    - {url: "http://10.0.0.7/vtv3/m.mpd", protocol: dash, name: "7", depth: {sampled: 3}}
  probes: [hcm-1]
  displayName: "Truyền hình: 'VTV3'"
  template: hd
  class: event
  eventEnd: 2026-12-24T23:00:00+07:00
  overrides:
    depth: head
    limits: {connectTimeout: 1.5s, maxSegmentBytes: 1024KiB, allowPrivate: false,
      extraRootsPem: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}
    checks: {latencyMax: 90s, overrides: {hls-playlist-stale: {params: {stale_slack_s: 2.50, critical_min_s: 3.0}, enabled: false}}}
---
apiVersion: ottwatch/v1
kind: Template
metadata: {name: hd}
spec:
---
{apiVersion: ottwatch/v1, kind: Probe, metadata: {name: hcm-1}, spec: {region: "no", slots: 20}}
---
apiVersion: ottwatch/v1
kind: Receiver
metadata: {name: nms}
spec: {type: snmp, target: "nms.example.net:162", min_severity: major, perSecond: 100, ascii: true}
---
apiVersion: ottwatch/v1
kind: Receiver
metadata: {name: mail}
spec: {type: email, host: smtp.example.net, from: a@example.net, to: [b@example.net, c@example.net], minSeverity: indeterminate}
---
apiVersion: ottwatch/v1
kind: Route
metadata: {name: "10"}
spec: {order: 10, match: ["severity>=major", "label.group = sport"], receivers: [nms, mail], continue: true}
"#;

#[test]
fn export_has_one_form() {
    insta::assert_snapshot!(export(&objects(SET)));
}

#[test]
fn what_was_exported_changes_nothing_when_applied() {
    let stored: Vec<ConfigObject> =
        objects(SET).into_iter().map(|object| ConfigObject { revision: 3, ..object }).collect();
    let text = export(&stored);
    let documents = read(&[SourceFile { name: "t".into(), text: text.clone() }]).unwrap();
    let plan = plan(&stored, &documents, None).unwrap();
    assert!(plan.is_empty(), "{plan}");
    assert_eq!(plan.unchanged.len(), 6);
    assert_eq!(export(&stored.into_iter().rev().collect::<Vec<_>>()), text, "the order is stable");
}

#[test]
fn a_plan_names_every_field_that_changes() {
    let mut stored: Vec<ConfigObject> =
        objects(SET).into_iter().map(|object| ConfigObject { revision: 3, ..object }).collect();
    for object in &mut stored {
        object.labels.insert(MANAGED_BY.into(), "git".into());
    }
    let changed = SET
        .replace("vtv3/m.mpd", "vtv3/new.mpd")
        .replace("a: b #c", "other")
        .replace("group: sport,", "group: news,")
        .replace("  class: event\n", "")
        .replace("  eventEnd: 2026-12-24T23:00:00+07:00\n", "")
        .replace("name: nms}", "name: nms2}")
        .replace("[nms, mail]", "[nms2]");
    let documents = read(&[SourceFile { name: "t".into(), text: changed }]).unwrap();
    let owner = Owner { prune: true, ..Owner::new(ow_domain::Slug::new("git").unwrap()) };
    let plan = plan(&stored, &documents, Some(&owner)).unwrap();
    insta::assert_snapshot!(plan.to_string());
    assert!(plan.update.iter().all(|update| update.object.revision == 3));
    assert_eq!(plan.changes().len(), 4);
    assert!(!plan.to_string().contains("other"), "headers may hold secrets");
}

#[test]
fn without_prune_nothing_is_deleted() {
    let stored: Vec<ConfigObject> =
        objects(SET).into_iter().map(|object| ConfigObject { revision: 1, ..object }).collect();
    let one = "{apiVersion: ottwatch/v1, kind: Probe, metadata: {name: new}}";
    let documents = read(&[SourceFile { name: "t".into(), text: one.into() }]).unwrap();
    let plan = plan(&stored, &documents, None).unwrap();
    assert_eq!((plan.create.len(), plan.delete.len(), plan.unchanged.len()), (1, 0, 0));
}

proptest! {
    /// Any text that a field accepts survives export and reading.
    #[test]
    fn any_text_survives(text in "[^\\x00-\\x1f\\x7f-\\u{9f}]{1,40}", key in "[a-z0-9][a-z0-9._-]{0,12}",
        pem in "[a-zA-Z0-9:#'\" \\-\n]{1,60}", number in 0.0..1.0e9_f64) {
        let json = |value: &str| serde_json::to_string(value).unwrap();
        let document = format!(
            "apiVersion: ottwatch/v1\nkind: Channel\nmetadata: {{name: a, labels: {{\"{key}\": {}}}}}\nspec: {{displayName: {}, probes: [p],
              streams: [{{name: s, protocol: hls, url: \"http://a/\", headers: {{X: {}}}}}],
              overrides: {{limits: {{extraRootsPem: {}}}, checks: {{overrides: {{hls-playlist-stale: {{params: {{stale_slack_s: {number}}}}}}}}}}}}}\n",
            json(&text), json(&text), json(&text), json(&pem)
        );
        let before = objects(&document);
        let exported = export(&before);
        prop_assert_eq!(objects(&exported), before, "{}", exported);
    }

    /// The stored form goes through JSON (and `jsonb`) unchanged.
    #[test]
    fn numbers_survive_json(number in 0.0..1.0e9_f64) {
        let before = objects(&format!("{{apiVersion: ottwatch/v1, kind: Template, metadata: {{name: a}},
            spec: {{checks: {{overrides: {{hls-playlist-stale: {{params: {{stale_slack_s: {number}}}}}}}}}}}}}"));
        let text = serde_json::to_string(&before[0].spec).unwrap();
        let back: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&back, &before[0].spec);
    }
}
