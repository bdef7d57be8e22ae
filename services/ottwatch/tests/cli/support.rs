//! Running the binary, and an origin for it to look at.

use std::process::Stdio;
use std::time::Duration;

use ow_origin::{FaultKind, FaultSpec, Origin, OriginConfig};
use tokio::process::Command;

/// No run of a test lasts so long unless it hangs.
const LONGEST: Duration = Duration::from_secs(120);

/// What a run left behind.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The binary with nothing of ottwatch's in the environment but where its servers are found.
pub fn ottwatch(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ottwatch"));
    let kept = ["OTTWATCH_NATS_SERVER", "OTTWATCH_POSTGRES_BIN"];
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OTTWATCH_") && !kept.contains(&&**name)) {
        command.env_remove(name);
    }
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    command
}

pub fn run(args: &[&str]) -> impl Future<Output = Done> + use<> {
    finish(ottwatch(args))
}

pub async fn finish(mut command: Command) -> Done {
    let output = tokio::time::timeout(LONGEST, command.output()).await.expect("it ends").expect("it starts");
    Done {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// A packager with 2 s segments, and faults that stand from the start.
pub async fn origin(faults: Vec<FaultSpec>) -> Origin {
    let origin = ow_origin::start(OriginConfig { segment_ms: 2_000, ..OriginConfig::default() }).await.unwrap();
    for fault in faults {
        origin.faults.add(fault).unwrap();
    }
    origin
}

/// `404` on the segments of one rendition of a channel.
pub fn no_segments(channel: &str) -> FaultSpec {
    let objects = [ow_origin::ObjectKind::Segment];
    FaultSpec::new(FaultKind::HttpStatus { status: 404 }).channel(channel).rendition("240p").objects(&objects)
}
