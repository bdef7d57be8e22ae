//! The client of the REST interface: installations by name, and what operators do.

use std::path::Path;

use ow_testkit::eventually_some;

use crate::support::{Done, finish, no_segments, origin, ottwatch, run};
use crate::up::{RAISED, Up, text};

/// With contexts of its own.
async fn with_contexts(folder: &Path, args: &[&str]) -> Done {
    let mut command = ottwatch(args);
    command.env("XDG_CONFIG_HOME", folder);
    finish(command).await
}

#[tokio::test]
async fn installations_have_names() {
    let folder = tempfile::tempdir().unwrap();
    let context = async |args: &[&str]| with_contexts(folder.path(), args).await;
    let home = folder.path().join("none");
    let nowhere = context(&["channels", "ls", "--home", text(&home)]).await;
    assert!(nowhere.code == 69 && nowhere.stderr.contains("ottwatch context add"), "{nowhere:?}");

    let listed = context(&["context", "ls"]).await;
    assert!(listed.code == 0 && listed.stdout.starts_with("no contexts"), "{listed:?}");
    for (name, url) in [("lab", "http://127.0.0.1:9"), ("prod", "https://ottwatch.example.net")] {
        let added = context(&["context", "add", name, "--url", url]).await;
        assert_eq!(added.code, 0, "{added:?}");
    }
    let refused = context(&["context", "add", "bad", "--url", "ottwatch"]).await;
    assert!(refused.code == 78 && refused.stderr.contains("https://ottwatch.example.net"), "{refused:?}");
    let listed = context(&["context", "ls"]).await.stdout;
    let expected = "* lab  http://127.0.0.1:9  (anonymous)\n  prod  https://ottwatch.example.net  (anonymous)\n";
    assert_eq!(listed, expected);

    // The current one is asked; nothing listens there.
    let silent = context(&["channels", "ls", "--home", text(&home)]).await;
    assert!(silent.code == 69 && silent.stderr.contains("http://127.0.0.1:9 does not answer"), "{silent:?}");
    let unknown = context(&["channels", "ls", "--context", "prd"]).await;
    assert!(unknown.code == 78 && unknown.stderr.contains("lab, prod"), "{unknown:?}");
    assert_eq!(context(&["context", "use", "prod"]).await.code, 0);
    assert_eq!(context(&["context", "rm", "lab"]).await.code, 0);
    assert_eq!(context(&["context", "ls"]).await.stdout, "* prod  https://ottwatch.example.net  (anonymous)\n");
}

#[tokio::test]
async fn shells_complete_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let done = run(&["completion", shell]).await;
        assert!(done.code == 0 && done.stdout.contains("silences"), "{shell}: {}", done.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_work_by_the_client() {
    let origin = origin(vec![no_segments("bad")]).await;
    let folder = tempfile::tempdir().unwrap();
    let mut up = Up::start(&folder.path().join("home"), &["--listen", "127.0.0.1:0"]).await;
    let channel = |name: &str| {
        let url = origin.hls_ts(name);
        format!(
            "apiVersion: ottwatch/v1\nkind: Channel\nmetadata: {{name: {name}, labels: {{group: news}}}}\nspec:\n  \
             displayName: {name} HD\n  probes: [local]\n  streams: [{{name: main, protocol: hls, url: \"{url}\"}}]\n"
        )
    };
    let file = folder.path().join("channels.yaml");
    std::fs::write(&file, format!("{}---\n{}", channel("bad"), channel("good"))).unwrap();
    assert_eq!(up.client(&["apply", "-f", text(&file)]).await.code, 0);

    // Channels.
    let listed = up.client(&["channels", "ls", "--label", "group=news"]).await;
    assert!(listed.code == 0 && listed.stdout.lines().count() == 2 && listed.stdout.contains("good HD"), "{listed:?}");
    let paused = up.client(&["channels", "pause", "good", "nobody"]).await;
    assert!(paused.code == 2 && paused.stdout == "good is paused\n", "{paused:?}");
    assert!(paused.stderr.contains("nobody: there is no"), "{paused:?}");
    let listed = up.client(&["channels", "ls", "-q", "good"]).await;
    assert!(listed.stdout.trim_end().ends_with("paused"), "{listed:?}");
    assert_eq!(up.client(&["channels", "resume", "good"]).await.stdout, "good is watched\n");
    let shown = up.client(&["channels", "show", "good"]).await;
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown["spec"]["displayName"], "good HD");

    // Somebody unknown on this machine may look, and no more.
    let url = ["--url", up.api.as_str()];
    let looks = run(&[&["channels", "ls"][..], &url].concat()).await;
    assert!(looks.code == 0 && looks.stdout.contains("good HD"), "{looks:?}");
    let refused = run(&[&["channels", "pause", "good"][..], &url].concat()).await;
    assert!(refused.code == 2 && refused.stderr.contains("token"), "{refused:?}");
    let wrong = folder.path().join("wrong");
    std::fs::write(&wrong, "ow_pat_none").unwrap();
    let refused = run(&[&["channels", "ls", "--token-file", text(&wrong)][..], &url].concat()).await;
    assert!(refused.code == 2 && refused.stderr.contains("not known"), "{refused:?}");

    // Alarms.
    let line = eventually_some("the alarm is listed", RAISED, async || {
        let listed = up.client(&["alarms", "ls", "--channel", "bad", "--severity", "major"]).await;
        listed.stdout.lines().find(|line| line.contains("http-status-segment")).map(str::to_owned)
    })
    .await;
    let id = line.split(' ').next().unwrap();
    let acked = up.client(&["alarms", "ack", id, "999999", "--note", "vendor is called", "--until", "+1h"]).await;
    assert!(acked.code == 2 && acked.stdout.contains(&format!("{id} changed\n")), "{acked:?}");
    assert!(acked.stdout.contains("INC-999999 failed: "), "{acked:?}");
    let listed = up.client(&["alarms", "ls", "--channel", "bad"]).await;
    assert!(listed.stdout.contains(", acknowledged by "), "{listed:?}");
    let noted = up.client(&["alarms", "note", id]).await;
    assert!(noted.code == 2 && noted.stdout.contains("a note is needed"), "{noted:?}");
    assert_eq!(up.client(&["alarms", "note", id, "--note", "the cache was cold"]).await.code, 0);
    let shown = up.client(&["alarms", "show", id]).await;
    assert!(shown.code == 0 && shown.stdout.contains("vendor is called"), "{shown:?}");
    assert!(shown.stdout.contains("the cache was cold"), "{shown:?}");

    // Silences.
    let add = ["silences", "add", "channel=bad", "--for", "1h", "--comment", "encoder swap", "--name", "swap"];
    let added = up.client(&add).await;
    assert!(added.code == 0 && added.stdout == "swap\n", "{added:?}");
    let again = up.client(&add).await;
    assert!(again.code == 2, "a name that is taken is not changed: {again:?}");
    let listed = up.client(&["silences", "ls"]).await;
    assert!(listed.stdout.contains("swap  channel=bad") && listed.stdout.contains("encoder swap"), "{listed:?}");
    assert_eq!(up.client(&["silences", "end", "swap"]).await.stdout, "swap is over\n");
    let wrong = up.client(&["silences", "add", "nonsense", "--for", "1h", "--comment", "x"]).await;
    assert!(wrong.code == 2 && wrong.stderr.contains("/spec/matchers/0"), "{wrong:?}");

    // Who would be told.
    let explained = up.client(&["route", "explain", "channel=bad", "severity=critical"]).await;
    assert_eq!(explained.code, 0, "{explained:?}");
    let explained = up.client(&["route", "explain", "--alarm", id]).await;
    assert_eq!(explained.code, 0, "{explained:?}");
    let nobody = up.client(&["receiver", "test", "nobody"]).await;
    assert!(nobody.code == 2 && nobody.stderr.contains("nobody"), "{nobody:?}");
    assert_eq!(up.signal("-TERM").await, Some(0));
}
