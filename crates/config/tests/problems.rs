//! What people read when a document is wrong: every problem at once, in the exact words.

use ow_config::{SourceFile, plan, read};

/// All problems of a text, one per line.
fn problems(text: &str) -> String {
    let file = SourceFile { name: "noc.yaml".into(), text: text.into() };
    let problems = match read(&[file]) {
        Err(problems) => problems,
        Ok(documents) => plan(&[], &documents, None).expect_err("something must be wrong"),
    };
    problems.iter().map(|p| format!("{p}\n")).collect()
}

#[test]
fn a_channel_with_many_faults_tells_all_of_them() {
    insta::assert_snapshot!(problems(
        "apiVersion: ottwatch/v1
kind: Channel
metadata:
  name: VTV 3
  labels: {Group: sport}
spec:
  displayname: VTV3
  class: lineer
  probes: hcm-1
  streams:
    - name: main
      protocol: hsl
      url: ftp://10.0.0.7/master.m3u8
    - name: main
      protocol: hls
      url: http://user:geheim@10.0.0.7/master.m3u8?token=abc
      headers:
        Authorization: \"a\\nb\"
        Bad Header: x
      depth: ful
    - protocol: dash
  overrides:
    limits: {connectTimeout: 5, maxSegmentBytes: 8MB, originRps: lots, bogus: 1}
    checks: {appleRules: yes, overrides: {hls-x: {severity: loud, params: {a: b}}}}
  eventEnd: tomorrow
  enabled: \"false\"
  enabled: true
"
    ));
}

#[test]
fn documents_that_are_no_documents() {
    insta::assert_snapshot!(
        [
            "- a\n- b\n",
            "apiVersion: v1\nkind: Chanel\nmetadata: {name: a}\nspec: {}\n",
            "kind: Channel\nmeta: {name: a}\n",
            "apiVersion: ottwatch/v1\nkind: Channel\nmetadata: {name: a}\nspec: []\n",
            "apiVersion: ottwatch/v1\nkind: [Channel]\nmetadata: {}\n",
            "a: [1\nb: 2\n",
            "a: &x 1\nb: *x\n",
            "apiVersion: ottwatch/v1\nkind: Receiver\nmetadata: {name: a}\nspec: {type: slak}\n",
            "apiVersion: ottwatch/v1\nkind: Receiver\nmetadata: {name: a}\nspec: {target: \"nms:162\"}\n",
            "just text\n",
        ]
        .map(problems)
        .join("---\n")
    );
}

#[test]
fn rules_between_fields() {
    insta::assert_snapshot!(problems(
        "apiVersion: ottwatch/v1
kind: Channel
metadata: {name: vtv3}
spec:
  class: linear
  probes: [hcm-1, hcm-1]
  streams:
    - {name: main, protocol: hls, url: \"http://o/1.m3u8\"}
    - {name: main, protocol: hls, url: \"http://o/2.m3u8\"}
  eventEnd: 2026-12-24T23:00:00+07:00
---
apiVersion: ottwatch/v1
kind: Channel
metadata: {name: derby}
spec:
  class: event
  probes: [hcm-1]
  streams:
    - {name: main, protocol: hls, url: \"http://o/1.m3u8\"}
  eventStart: 2026-12-24T23:00:00+07:00
  eventEnd: 2026-12-24T21:00:00+07:00
---
apiVersion: ottwatch/v1
kind: Template
metadata: {name: hd}
spec:
  checks:
    overrides:
      hls-playlist-stal: {enabled: false}
      hls-playlist-stale:
        hold: soon
        clear: C0
        params:
          slak: 3
---
apiVersion: ottwatch/v1
kind: Route
metadata: {name: all}
spec:
  order: 10
  match:
    - severity>=major
    - colour=red
  receivers: [noc]
---
apiVersion: ottwatch/v1
kind: Receiver
metadata: {name: nms}
spec:
  type: snmp
  target: nms.example.net
  version: v3
  minSeverity: warning
---
apiVersion: ottwatch/v1
kind: Probe
metadata: {name: hcm-1}
---
apiVersion: ottwatch/v1
kind: Probe
metadata: {name: hcm-1}
"
    ));
}

#[test]
fn references_lead_somewhere() {
    insta::assert_snapshot!(problems(
        "apiVersion: ottwatch/v1
kind: Channel
metadata: {name: vtv3}
spec:
  template: hd-standart
  probes: [hcm-1, hcm-2]
  streams: [{name: main, protocol: hls, url: \"http://o/1.m3u8\"}]
---
{apiVersion: ottwatch/v1, kind: Probe, metadata: {name: hcm-1}}
---
{apiVersion: ottwatch/v1, kind: Template, metadata: {name: hd-standard}, spec: {extends: base}}
---
{apiVersion: ottwatch/v1, kind: Template, metadata: {name: base}, spec: {extends: hd-standard}}
---
apiVersion: ottwatch/v1
kind: Route
metadata: {name: all}
spec: {order: 1, receivers: [noc-slack]}
"
    ));
}

#[test]
fn problems_of_all_files_are_told_but_not_without_end() {
    let bad = |name: &str| SourceFile { name: name.into(), text: "kind: Probe\n".into() };
    let problems = read(&[bad("a.yaml"), bad("b.yaml")]).unwrap_err();
    assert_eq!(problems.iter().filter(|p| p.file == "a.yaml").count(), 2);
    assert_eq!(problems.iter().filter(|p| p.file == "b.yaml").count(), 2);
    let many = SourceFile { name: "many".into(), text: "---\nkind: Probe\n".repeat(1000) };
    assert_eq!(read(&[many]).unwrap_err().len(), ow_config::MAX_PROBLEMS);
}
