//! `ottwatch up` on private servers, and the clients of a running one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ow_origin::{FaultKind, FaultSpec, Origin};
use ow_testkit::{eventually, eventually_some};
use serde_json::Value;
use tokio::process::Child;

use crate::support::{Done, no_segments, origin, ottwatch, run};

/// A start on a busy machine, initdb included.
const START: Duration = Duration::from_secs(90);
/// How soon a running installation takes a change.
const TAKEN: Duration = Duration::from_secs(5);
/// Until an alarm of the tests has passed its hold, on a busy machine.
pub const RAISED: Duration = Duration::from_secs(60);

/// A running `ottwatch up`. Killed when dropped.
pub struct Up {
    child: Child,
    pub home: PathBuf,
    log: PathBuf,
    pub api: String,
}

impl Up {
    /// Starts and waits until it has told where its servers are.
    pub async fn start(home: &Path, more: &[&str]) -> Self {
        let log = home.with_extension("log");
        let file = std::fs::File::create(&log).unwrap();
        let mut command = ottwatch(&["up", "--home", text(home)]);
        command.args(more).stdout(file.try_clone().unwrap()).stderr(file);
        let mut child = command.spawn().unwrap();
        let pid = u64::from(child.id().unwrap());
        let run_file = eventually_some("up is up", START, || {
            assert!(child.try_wait().unwrap().is_none(), "up ended: {}", std::fs::read_to_string(&log).unwrap());
            let file = std::fs::read(home.join("run.json")).ok();
            let file = file.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
            async move { file.filter(|file| file["pid"] == pid) }
        })
        .await;
        Self { child, home: home.to_owned(), log, api: run_file["api"].as_str().unwrap().to_owned() }
    }

    fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Runs a client of it.
    pub async fn client(&self, args: &[&str]) -> Done {
        let mut all = args.to_vec();
        all.extend(["--home", text(&self.home)]);
        run(&all).await
    }

    /// Sends a signal and gives the exit code, `None` when the signal itself ended it.
    pub async fn signal(&mut self, name: &str) -> Option<i32> {
        let pid = self.pid().to_string();
        assert!(tokio::process::Command::new("kill").args([name, &pid]).status().await.unwrap().success());
        tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await.expect("it ends").unwrap().code()
    }
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// All processes that descend from one.
fn descendants(pid: u32) -> BTreeSet<u32> {
    let mut all = BTreeSet::new();
    let mut parents = vec![pid];
    while let Some(parent) = parents.pop() {
        for task in std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            let children: Vec<u32> = children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
            parents.extend(children.iter().filter(|child| !all.contains(*child)));
            all.extend(children);
        }
    }
    all
}

/// Not there, or dead and only not collected yet by its new parent.
fn is_gone(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

/// Counts the requests for a channel.
fn count(origin: &Origin, channel: &str) -> String {
    origin.faults.add(FaultSpec::new(FaultKind::SlowFirstByte { delay_ms: 1 }).channel(channel)).unwrap()
}

async fn is_asked_within(what: &str, limit: Duration, origin: &Origin, id: &str) {
    eventually(what, limit, || {
        let n = origin.faults.list().iter().find(|f| f.id == id).map_or(0, |f| f.n_hits);
        async move { n > 0 }
    })
    .await;
}

/// The document of README's third step, as printed, but for the addresses of machines.
fn readme_channel(url: &str) -> String {
    let readme = include_str!("../../../../README.md");
    let from = readme.find("       apiVersion: ottwatch/v1").expect("README shows a channel");
    let shown = readme[from..].lines().take_while(|line| line.is_empty() || line.starts_with("       "));
    let document = shown.map(|line| line.get(7..).unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let replaced = document.replace("http://packager-07/vtv3/master.m3u8", url).replace("10.0.0.9", "127.0.0.1");
    assert!(replaced.contains(url) && replaced.contains("127.0.0.1:162"), "{replaced}");
    replaced
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_alarms_and_clients() {
    let origin = origin(vec![no_segments("bad")]).await;
    let first = count(&origin, "vtv3");
    let folder = tempfile::Builder::new().prefix("ow cli ").tempdir().unwrap();
    let mut up = Up::start(&folder.path().join("the home"), &["--listen", "127.0.0.1:0"]).await;
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };

    // Nothing of a file with a mistake is applied.
    let empty = up.client(&["export"]).await;
    let good = readme_channel(&origin.hls_ts("vtv3"));
    let wrong =
        write("wrong.yaml", &good.replace("protocol: hls", "protocol: rtmp").replace("receivers:", "receiver:"));
    let refused = up.client(&["apply", "-f", &wrong]).await;
    assert_eq!(refused.code, 78, "{refused:?}");
    for told in
        ["wrong.yaml:7: ", "spec.streams[0].protocol \"rtmp\"", "example: hls", "receiver", "nothing was changed"]
    {
        assert!(refused.stderr.contains(told), "{told}: {}", refused.stderr);
    }
    assert_eq!(up.client(&["export"]).await.stdout, empty.stdout);

    // README, step 3.
    let file = write("vtv3.yaml", &good);
    let dry = up.client(&["apply", "-f", &file, "--dry-run"]).await;
    assert!(dry.code == 0 && dry.stdout.contains("+ Channel/vtv3-hd"), "{dry:?}");
    assert_eq!(up.client(&["export"]).await.stdout, empty.stdout);
    let applied = up.client(&["apply", "-f", &file]).await;
    assert!(applied.code == 0 && applied.stdout.contains("applied; configuration revision"), "{applied:?}");
    is_asked_within("the new channel is asked for", TAKEN, &origin, &first).await;

    // What is exported is what is there.
    let export = up.client(&["export"]).await;
    assert!(export.code == 0 && export.stdout.contains("vtv3-hd"), "{export:?}");
    let exported = write("export.yaml", &export.stdout);
    let again = up.client(&["apply", "-f", &exported]).await;
    assert!(again.code == 0 && again.stdout.contains("nothing to change"), "{again:?}");
    let same = up.client(&["diff", "-f", &exported]).await;
    assert_eq!(same.code, 0, "{same:?}");

    // A changed channel is taken by what runs.
    let second = count(&origin, "vtv3-moved");
    let moved = write("moved.yaml", &good.replace("/live/vtv3/", "/live/vtv3-moved/"));
    let differs = up.client(&["diff", "-f", &moved]).await;
    assert!(differs.code == 1 && differs.stdout.contains("vtv3-moved"), "{differs:?}");
    assert_eq!(up.client(&["apply", "-f", &moved]).await.code, 0);
    is_asked_within("the changed channel is asked for", TAKEN, &origin, &second).await;

    // An alarm, by each way to see one.
    let mut tail = ottwatch(&["tail", "alert.>", "-n", "1", "-o", "json", "--home", text(&up.home)]);
    let tail = tail.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let bad = write(
        "bad.yaml",
        &format!(
            "apiVersion: ottwatch/v1\nkind: Channel\nmetadata: {{name: bad}}\nspec:\n  displayName: Bad\n  probes: [local]\n  streams: [{{name: main, protocol: hls, url: \"{}\"}}]\n",
            origin.hls_ts("bad")
        ),
    );
    assert_eq!(up.client(&["apply", "-f", &bad]).await.code, 0);
    let told = tokio::time::timeout(RAISED, tail.wait_with_output()).await.expect("an alarm is told").unwrap();
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert!(told["subject"].as_str().unwrap().ends_with("alert.major.bad"), "{told}");
    let listed = up.client(&["alarms", "ls"]).await;
    assert!(listed.code == 0 && listed.stdout.contains("Bad [http-status-segment "), "{listed:?}");
    let listed = up.client(&["alarms", "ls", "--state", "cleared"]).await;
    assert!(listed.code == 0 && listed.stdout.starts_with("no alarms"), "{listed:?}");
    assert!(up.log().contains("RAISE  major"), "the terminal shows it too: {}", up.log());

    // What was served, and what was judged of it.
    let served = eventually_some("the manifests are kept", TAKEN, async || {
        let served = up.client(&["manifest", "at", "bad", "now", "-o", "json"]).await;
        (served.code == 0 && served.stdout.lines().count() >= 3).then_some(served)
    })
    .await;
    let served: Vec<Value> = served.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(served.iter().all(|m| m["text"].as_str().unwrap().starts_with("#EXTM3U")), "{served:?}");
    let one = served.iter().find(|m| m["object"] == "mvp").unwrap();
    let shown = up.client(&["manifest", "show", one["digest"].as_str().unwrap()]).await;
    assert_eq!((shown.code, shown.stdout.as_str()), (0, one["text"].as_str().unwrap()), "{shown:?}");
    let at = up.client(&["manifest", "at", "bad", "now", "--object", "mvp"]).await;
    assert!(at.stdout == shown.stdout && at.stderr.contains("==> main mvp by local "), "{at:?}");
    let media = served.iter().find(|m| m["object"] == "media-playlist").unwrap();
    let track = media["track"].as_str().unwrap();
    let differs = eventually_some("the window moves", TAKEN, async || {
        let from = media["at"].as_str().unwrap();
        let differs = up.client(&["manifest", "diff", "bad", from, "now", "--track", track]).await;
        (differs.code == 1).then_some(differs)
    })
    .await;
    for told in ["window moved from MSN ", "-#EXT-X-MEDIA-SEQUENCE:", "+#EXT-X-MEDIA-SEQUENCE:"] {
        assert!(differs.stdout.contains(told), "{differs:?}");
    }
    let loads = up.client(&["manifest", "ls", "bad", "--track", track]).await;
    assert!(loads.code == 0 && loads.stdout.lines().count() >= 2, "{loads:?}");
    let nothing = up.client(&["manifest", "at", "bad", "-5h"]).await;
    assert!(nothing.code == 69 && nothing.stderr.contains("no such manifest of bad"), "{nothing:?}");
    let replayed = up.client(&["replay", "--from", "-10m", "--channel", "bad"]).await;
    assert!(replayed.code == 0 && replayed.stdout.contains("http-status-segment"), "{replayed:?}");
    assert!(replayed.stderr.contains(" identical, 0 different, 0 not judged again"), "{replayed:?}");

    let doctor = up.client(&["doctor"]).await;
    assert!(doctor.code == 0 && !doctor.stdout.contains("FAIL"), "{doctor:?}");
    let mib = run(&["snmp", "mib", "--base-oid", "1.3.6.1.4.1.99999.7"]).await;
    assert!(mib.code == 0 && mib.stdout.contains("DEFINITIONS ::= BEGIN"), "{mib:?}");
    let mib = run(&["snmp", "mib", "--base-oid", "one.two"]).await;
    assert!(mib.code == 64 && mib.stderr.contains("--base-oid"), "{mib:?}");

    let twice = run(&["up", "--home", text(&up.home), "--listen", "127.0.0.1:0"]).await;
    assert!(twice.code == 69 && twice.stderr.contains(&format!("process {}", up.pid())), "{twice:?}");
    assert!(twice.stderr.contains("--home"), "{twice:?}");
    assert_eq!(up.client(&["doctor"]).await.code, 0, "the first goes on");
    assert_eq!(up.signal("-TERM").await, Some(0), "{}", up.log());
    let gone = up.client(&["alarms", "ls"]).await;
    assert!(gone.code == 69 && gone.stderr.contains("ottwatch up"), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_all_that_it_started_and_starts_again() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let wanted = taken.local_addr().unwrap();

    // A crash.
    let mut up = Up::start(&home, &["--listen", &wanted.to_string()]).await;
    let port: u16 = up.api.rsplit_once(':').unwrap().1.parse().unwrap();
    assert!(port > wanted.port(), "{} instead of the busy {wanted}", up.api);
    assert!(up.log().contains(&up.api), "{}", up.log());
    let servers = descendants(up.pid());
    assert!(servers.len() >= 2, "nats-server and PostgreSQL: {servers:?}");
    assert_eq!(up.signal("-KILL").await, None);
    eventually("the servers end with it", START, || async { servers.iter().all(|&pid| is_gone(pid)) }).await;

    // On the same data again, and Ctrl-C.
    drop(taken);
    for signal in ["-INT", "-TERM"] {
        let mut up = Up::start(&home, &["--listen", "127.0.0.1:0"]).await;
        let export = up.client(&["export", "--kind", "Probe"]).await;
        assert!(export.code == 0 && export.stdout.contains("local"), "the probe that it is: {export:?}");
        let servers = descendants(up.pid());
        assert_eq!(up.signal(signal).await, Some(0), "{}", up.log());
        let left: Vec<_> = servers.iter().filter(|&&pid| !is_gone(pid)).collect();
        assert!(left.is_empty(), "{signal} leaves {left:?}");
        let log = up.log();
        assert!(!log.contains("WARN") && !log.contains("ERROR"), "an end in order is no news: {log}");
        assert!(!home.join("run.json").exists());
    }

    let wrong = run(&["up", "--home", text(&home), "--listen", "127.0.0.1:0", "--probe", "HCM 1"]).await;
    assert!(wrong.code == 64 && wrong.stderr.contains("--probe local"), "{wrong:?}");
}
