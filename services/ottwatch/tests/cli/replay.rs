//! `ottwatch capture` and `ottwatch replay`: from the origin over loopback into a file, from there to verdicts; and
//! from the stream of a bus against what a validator published.

use std::path::Path;
use std::time::Duration;

use ow_bus::{Bucket, Bus, BusConfig, Limits, Publisher};
use ow_contracts::Recorded;
use ow_contracts::bundle::Reader;
use ow_domain::policy::ChannelPolicy;
use ow_local::{LocalNats, NatsOptions};
use ow_service::Ops;
use ow_testkit::{eventually, eventually_some};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::support::{Done, finish, no_segments, origin, ottwatch, run};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn lines(done: &Done, kind: &str) -> Vec<Value> {
    let lines =
        done.stdout.lines().map(|l| serde_json::from_str::<Value>(l).unwrap_or_else(|e| panic!("{e}: {done:?}")));
    lines.filter_map(|mut line| line.as_object_mut()?.remove(kind)).collect()
}

/// All of a bundle.
fn read(path: &Path) -> (ChannelPolicy, Vec<Recorded>) {
    let mut reader = Reader::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut facts = Vec::new();
    while let Some(fact) = reader.next().unwrap() {
        facts.push(fact);
    }
    assert!(reader.is_whole());
    (reader.header().policy.clone(), facts)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_captured_is_judged_again_and_by_another_policy() {
    let origin = origin(vec![no_segments("bad")]).await;
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bad.jsonl.zst");
    let file = text(&bundle);
    let url = origin.hls_ts("bad") + "?token=t0ken";
    let done = run(&["capture", &url, "--for", "15s", "-o", file, "--header", "X-Key: s3cret"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stderr.contains(" captures, ") && !done.stderr.contains("t0ken"), "{done:?}");
    let (policy, facts) = read(&bundle);
    assert!(policy.streams[0].headers.is_empty() && policy.streams[0].url == url);
    let ticks: Vec<_> = facts.iter().filter(|f| matches!(f, Recorded::Tick(_))).map(Recorded::at).collect();
    assert!((13..=17).contains(&ticks.len()), "{ticks:?}");
    assert!(ticks.windows(2).all(|w| w[1].unix_micros() - w[0].unix_micros() == 1_000_000), "{ticks:?}");
    assert!(facts.len() > ticks.len() + 10);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&bundle).unwrap().permissions());
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    assert!(!folder.path().join("bad.jsonl.zst.part").exists());
    let again = run(&["capture", &url, "--for", "1s", "-o", file]).await;
    assert!(again.code == 64 && again.stderr.contains("is there already"), "{again:?}");

    // The same verdicts each time, with the fault that there was.
    let (first, second) = tokio::join!(run(&["replay", file, "--json"]), run(&["replay", file, "--json"]));
    assert_eq!((first.code, &first.stdout), (0, &second.stdout), "{first:?}");
    let verdicts = lines(&first, "verdict");
    let last = &verdicts[verdicts.len() - 1];
    assert!(last["conditions"].as_array().unwrap().iter().any(|c| c["check"] == "http-status-segment"), "{last}");
    let summary = &lines(&first, "summary")[0];
    assert_eq!(summary["ticks"], ticks.len());
    let table = run(&["replay", file, "--changes"]).await;
    assert!(table.code == 0 && table.stdout.contains("http-status-segment [hls main"), "{table:?}");

    // By another policy, and by the same.
    let template = |name: &str, settings: &str| {
        let path = folder.path().join(name);
        let text = format!(
            "apiVersion: ottwatch/v1\nkind: Template\nmetadata: {{name: lab}}\nspec:\n  checks:\n    startupGrace: 0s\n{settings}"
        );
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let off = template("off.yaml", "    overrides:\n      http-status-segment: {enabled: false}\n");
    let same = folder.path().join("same.json");
    std::fs::write(&same, serde_json::to_vec(&policy).unwrap()).unwrap();
    let wrong = template("wrong.yaml", "    overrides:\n      http-status-segmnt: {enabled: false}\n");
    let (off, same, wrong, json) = tokio::join!(
        run(&["replay", file, "--policy", &off]),
        run(&["replay", file, "--policy", text(&same)]),
        run(&["replay", file, "--policy", &wrong]),
        run(&["replay", file, "--json", "--policy", &off]),
    );
    assert_eq!(off.code, 1, "{off:?}");
    assert!(off.stdout.lines().any(|l| l.starts_with("only in A  ") && l.contains("http-status-segment")), "{off:?}");
    assert!(!off.stdout.contains("only in B"), "{off:?}");
    let told = lines(&json, "alarm_difference");
    assert_eq!(told[0]["only-in-a"]["check"], "http-status-segment", "{json:?}");
    assert!(same.code == 0 && same.stdout.contains("no alarm differs"), "{same:?}");
    assert!(wrong.code == 64 && wrong.stderr.contains("http-status-segmnt"), "{wrong:?}");

    // A file that was cut is judged as far as it goes.
    let cut = folder.path().join("cut.zst");
    let bytes = std::fs::read(&bundle).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let cut = run(&["replay", text(&cut), "--json"]).await;
    assert!(cut.code == 0 && cut.stderr.contains("was cut"), "{cut:?}");
    let short = lines(&cut, "verdict");
    assert!(!short.is_empty() && short[..] == verdicts[..short.len()], "{cut:?}");
    let foreign = run(&["replay", file, "--channel", "other"]).await;
    assert!(foreign.code == 64 && foreign.stderr.contains("of channel captured"), "{foreign:?}");
    let nothing = run(&["replay", "/nonexistent.zst"]).await;
    assert!(nothing.code == 69 && nothing.stderr.contains("/nonexistent.zst"), "{nothing:?}");
}

/// A capture that is killed leaves what it has.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_capture_leaves_a_readable_file() {
    let origin = origin(vec![]).await;
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("x.zst");
    let mut child = ottwatch(&["capture", &origin.hls_ts("a"), "--for", "60s", "-o", text(&bundle)]).spawn().unwrap();
    let partial = folder.path().join("x.zst.part");
    eventually("some of it is on the disk", Duration::from_secs(30), || async {
        std::fs::metadata(&partial).is_ok_and(|m| m.len() > 4_000)
    })
    .await;
    child.kill().await.unwrap();
    let done = run(&["replay", text(&partial), "--json"]).await;
    assert!(done.code == 0 && done.stderr.contains("was cut"), "{done:?}");
    assert!(!lines(&done, "verdict").is_empty() && !bundle.exists());
}

/// A short real recording through a bus and a validator, then judged again from the stream.
#[tokio::test(flavor = "multi_thread")]
async fn the_stream_is_judged_as_it_was_published() {
    let origin = origin(vec![no_segments("bad")]).await;
    let home = tempfile::tempdir().unwrap();
    let bundle = home.path().join("bad.zst");
    let captured =
        run(&["capture", &origin.hls_ts("bad"), "--for", "12s", "-o", text(&bundle), "--channel", "vtv3"]).await;
    assert_eq!(captured.code, 0, "{captured:?}");
    let (policy, facts) = read(&bundle);

    let users = "authorization { users: [ {user: services, password: s3}, {user: operator, password: s4} ] }\n";
    let options = NatsOptions { extra_config: users.to_owned(), ..NatsOptions::new(home.path()) };
    let nats = LocalNats::start(options).unwrap();
    let url = nats.client_url();
    let password = |name: &str, text: &str| {
        let path = home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let mut config = BusConfig::new(url.clone(), "test");
    config.user = Some("services".to_owned());
    config.password_file = Some(password("services.password", "s3\n"));
    let bus = Bus::connect(config).await.unwrap();
    bus.ensure_topology(&Limits::tests()).await.unwrap();
    bus.kv::<ChannelPolicy>(Bucket::Config).put("vtv3", &policy).await.unwrap();
    let (ops, shutdown) = (Ops::default(), CancellationToken::new());
    let deps = ow_validator::Deps { bus: bus.clone(), ops: ops.clone(), replica: "test".to_owned() };
    let validator = tokio::spawn(ow_validator::run(Default::default(), deps, shutdown.clone()));
    let publisher = Publisher::new(bus.clone(), 64);
    for fact in &facts {
        match fact {
            Recorded::Capture(capture) => publisher.publish(capture.as_ref()).await.unwrap(),
            Recorded::Tick(tick) => publisher.publish(tick).await.unwrap(),
        }
    }
    publisher.flush().await;
    let metric = |name: &str| {
        let text = ops.metrics_text();
        let line = text.lines().find_map(|l| l.strip_prefix(&format!("ottwatch_validator_{name} ")).map(str::to_owned));
        line.and_then(|v| v.parse::<usize>().ok()).unwrap_or_default()
    };
    eventually_some("all is judged", Duration::from_secs(60), || {
        let all = metric("captures_total") + metric("ticks_total") == facts.len();
        async move { all.then_some(()) }
    })
    .await;
    shutdown.cancel();
    validator.await.unwrap().unwrap();

    let (operator, wrong) = (password("operator.password", "s4\n"), password("wrong.password", "s3\n"));
    let as_operator = |password: &Path, args: &[&str]| {
        let mut command = ottwatch(args);
        command.env("OTTWATCH_NATS__USER", "operator").env("OTTWATCH_NATS__PASSWORD_FILE", password);
        finish(command)
    };
    let replay = async |more: &[&str]| {
        let mut args = vec!["replay", "--from", "-1h", "--nats", &url];
        args.extend(more);
        as_operator(&operator, &args).await
    };
    let refused = as_operator(&wrong, &["replay", "--from", "-1h", "--nats", &url]).await;
    assert!(refused.code != 0 && refused.stderr.contains("refuses our credentials"), "{refused:?}");
    let user_alone = run(&["tail", "alert.>", "--nats", &url, "--nats-user", "operator"]).await;
    assert!(user_alone.code == 64 && user_alone.stderr.contains("--nats-password-file"), "{user_alone:?}");
    let (one, all) = tokio::join!(replay(&["--channel", "vtv3", "--json"]), replay(&[]));
    assert_eq!((one.code, all.code), (0, 0), "{one:?} {all:?}");
    let published = &lines(&one, "summary")[0]["published"];
    let n_said = lines(&one, "verdict").len();
    assert!(n_said >= 2, "{one:?}");
    assert_eq!((&published["equal"], &published["not_judged"]), (&n_said.into(), &0.into()), "{one:?}");
    assert!(all.stderr.contains(&format!("{n_said} identical, 0 different")), "{all:?}");

    // Under a policy that is not the one of then, the verdicts are others.
    let mut changed = policy.clone();
    let off = ow_domain::policy::CheckOverride { enabled: Some(false), ..Default::default() };
    changed.checks.overrides.insert("http-status-segment".to_owned(), off);
    changed.revision += 1;
    bus.kv::<ChannelPolicy>(Bucket::Config).put("vtv3", &changed).await.unwrap();
    let other = replay(&["--channel", "vtv3"]).await;
    assert_eq!(other.code, 1, "{other:?}");
    for told in ["not as published", "policy_revision: published 1, judged 2", "conditions[0]"] {
        assert!(other.stdout.contains(told), "{told}: {other:?}");
    }
    let none = replay(&["--channel", "nobody"]).await;
    assert!(none.code == 69 && none.stderr.contains("no policy of channel nobody"), "{none:?}");
    let backwards = replay(&["--to", "-2h"]).await;
    assert!(backwards.code == 64 && backwards.stderr.contains("is not before"), "{backwards:?}");
}
