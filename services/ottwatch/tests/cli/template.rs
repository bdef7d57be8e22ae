//! `ottwatch template learn`: what is learned keeps quiet until the offer changes.

use ow_config::{SourceFile, export, read};
use ow_origin::{FaultKind, FaultSpec};
use serde_json::Value;

use crate::support::{Done, origin, run};

/// A channel that follows a template, as an operator would apply it.
const CHANNEL: &str = "\
apiVersion: ottwatch/v1
kind: Template
metadata: {name: house}
spec:
  checks: {latencyMax: 30s}
---
apiVersion: ottwatch/v1
kind: Probe
metadata: {name: p1}
---
apiVersion: ottwatch/v1
kind: Channel
metadata: {name: news}
spec:
  displayName: News
  template: house
  probes: [p1]
  streams:
    - {name: hls, protocol: hls, url: \"{hls}\"}
    - {name: dash, protocol: dash, url: \"{dash}\"}
";

fn ladder_findings(done: &Done) -> Vec<(String, String)> {
    let report: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|e| panic!("{e}: {done:?}"));
    let ran = report["checks_run"].as_array().unwrap();
    assert!(ran.iter().any(|c| c == "ladder-rendition-missing"), "{report:#}");
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let found = report["findings"].as_array().unwrap().iter();
    found.map(|f| (text(&f["check"]), text(&f["message"]))).filter(|(check, _)| check.starts_with("ladder-")).collect()
}

async fn look(url: &str, template: &str) -> Done {
    run(&["check", url, "--for", "6s", "--template", template, "-o", "json"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_learned_is_kept_and_what_is_lost_is_told() {
    let origin = origin(vec![]).await;
    let (hls, dash) = (origin.hls_cmaf("news"), origin.dash_timeline("news"));
    let learned = run(&["template", "learn", "news", "--url", &hls, "--url", &dash, "--name", "news-ladder"]).await;
    assert_eq!(learned.code, 0, "{learned:?}");
    let text = &learned.stdout;
    assert!(text.starts_with("# What channel news offers now") && text.contains("# Assumed: "), "{text}");

    // Applied back without change.
    let documents =
        read(&[SourceFile { name: "learned".into(), text: text.clone() }]).unwrap_or_else(|p| panic!("{p:?}\n{text}"));
    let objects: Vec<_> = documents.into_iter().map(|d| d.object).collect();
    assert_eq!(objects[0].name.as_str(), "news-ladder");
    let body = text.find("---\n").map_or("", |at| &text[at..]);
    assert_eq!(export(&objects), body);
    let ladder = &objects[0].spec["ladder"];
    assert_eq!(ladder["video"].as_array().map(Vec::len), Some(3), "{text}");
    assert_eq!(ladder["audio"][0]["language"], "en", "{text}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("news.yaml");
    std::fs::write(&path, text).unwrap();
    let template = path.to_str().unwrap();
    for url in [&hls, &dash] {
        let done = look(url, template).await;
        assert_eq!(ladder_findings(&done), [], "{done:?}");
    }
    origin.faults.add(FaultSpec::new(FaultKind::MissingRendition {}).rendition("240p")).unwrap();
    for url in [&hls, &dash] {
        let found = ladder_findings(&look(url, template).await);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].0 == "ladder-rendition-missing" && found[0].1.contains("1 rendition missing: "), "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_learned_says_why() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (args, code, told) in [
        (vec!["template", "learn", "News!", "--url", "http://127.0.0.1/a.m3u8"], 64, "not a valid name"),
        (vec!["template", "learn", "news", "--url", "rtmp://127.0.0.1/a"], 64, "is not an http or https URL"),
        (vec!["template", "learn"], 64, "CHANNEL"),
    ] {
        let done = run(&args).await;
        assert_eq!(done.code, code, "{args:?}: {done:?}");
        assert!(done.stderr.contains(told), "{args:?}: {done:?}");
    }
    let refused = format!("http://{unused}/a/master.m3u8");
    let done = run(&["template", "learn", "news", "--url", &refused]).await;
    assert!(done.code != 0 && done.stdout.is_empty() && done.stderr.contains("no manifest"), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_of_the_store_is_learned_by_its_name() {
    let origin = origin(vec![]).await;
    let dsn = tokio::task::spawn_blocking(|| ow_testkit::postgres().dsn()).await.unwrap();
    let store = ow_store::Store::open(ow_store::StoreConfig::new(dsn.clone())).unwrap();
    store.migrate().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("news.yaml");
    let (hls, dash) = (origin.hls_cmaf("news"), origin.dash_timeline("news"));
    std::fs::write(&path, CHANNEL.replace("{hls}", &hls).replace("{dash}", &dash)).unwrap();
    let home = folder.path().join("no-servers");
    let at = ["--home", home.to_str().unwrap(), "--postgres", dsn.as_str()];
    let with = |args: &[&str]| run(&[args, &at].concat());
    let applied = with(&["apply", "-f", path.to_str().unwrap()]).await;
    assert_eq!(applied.code, 0, "{applied:?}");

    let learned = with(&["template", "learn", "news"]).await;
    assert_eq!(learned.code, 0, "{learned:?}");
    let text = learned.stdout;
    let documents =
        read(&[SourceFile { name: "learned".into(), text: text.clone() }]).unwrap_or_else(|p| panic!("{p:?}\n{text}"));
    let template = &documents[0].object;
    assert_eq!(template.name.as_str(), "news-learned");
    assert_eq!(template.spec["extends"], "house", "what the channel follows goes on: {text}");
    assert_eq!(template.spec["ladder"]["video"].as_array().map(Vec::len), Some(3), "{text}");

    // It can be applied, and the channel can follow it.
    std::fs::write(&path, &text).unwrap();
    let applied = with(&["apply", "-f", path.to_str().unwrap()]).await;
    assert_eq!(applied.code, 0, "{applied:?}");

    let absent = with(&["template", "learn", "sport"]).await;
    assert!(absent.code == 64 && absent.stderr.contains("is not in the store"), "{absent:?}");
}
