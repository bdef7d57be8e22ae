//! Shaka Packager, live: HLS and DASH of one CMAF ladder, in the clear or encrypted, fed by one ffmpeg over pipes.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::process::{Child, Command};

/// How the segments are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    Clear,
    /// AES-CTR, ISO/IEC 23001-7.
    Cenc,
    /// AES-CBC with a pattern.
    Cbcs,
}

impl Protection {
    pub const ALL: [Self; 3] = [Self::Clear, Self::Cenc, Self::Cbcs];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Cenc => "cenc",
            Self::Cbcs => "cbcs",
        }
    }
}

/// One encoder and one packager for each protection. All are killed when dropped.
pub struct Shaka {
    _children: Vec<Child>,
}

impl Shaka {
    /// Writes `<protection>/master.m3u8` and `<protection>/live.mpd` below `folder`, 2 s segments, a window of 12 s, for
    /// at most `seconds`. `time_url` answers with a `Date`: it becomes the UTCTiming of the MPDs.
    pub async fn start(folder: &Path, seconds: u32, time_url: &str) -> Result<Self> {
        let program = program()?;
        let mut children = Vec::new();
        let mut outputs = Vec::new();
        for protection in Protection::ALL {
            let out = folder.join(protection.name());
            std::fs::create_dir_all(&out)?;
            let made = Command::new("mkfifo").arg(out.join("pipe")).status().await.context("cannot run mkfifo")?;
            ensure!(made.success(), "mkfifo failed in {}", out.display());
            outputs.push(format!("[f=mpegts]{}/pipe", protection.name()));
            children.push(package(&program, &out, protection, time_url)?);
        }
        let limit = seconds.to_string();
        let mut encoder = Command::new("ffmpeg");
        encoder.args(["-hide_banner", "-nostats", "-loglevel", "warning", "-y"]);
        encoder.args(["-re", "-t", &limit, "-f", "lavfi", "-i", "testsrc2=size=426x240:rate=25"]);
        encoder.args(["-re", "-t", &limit, "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]);
        encoder.args(["-map", "0:v", "-map", "1:a", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency"]);
        encoder.args(["-threads", "1", "-g", "50", "-keyint_min", "50", "-sc_threshold", "0", "-pix_fmt", "yuv420p"]);
        encoder.args(["-b:v", "400k", "-maxrate", "400k", "-bufsize", "400k", "-c:a", "aac", "-b:a", "64k"]);
        encoder.args(["-f", "tee", &outputs.join("|")]);
        children.push(spawn(encoder, folder, "ffmpeg.log")?);
        Ok(Self { _children: children })
    }
}

fn package(program: &Path, out: &Path, protection: Protection, time_url: &str) -> Result<Child> {
    let mut command = Command::new(program);
    let encrypted = protection != Protection::Clear;
    let label = if encrypted { ",drm_label=ALL" } else { "" };
    for (stream, more) in [("video", ""), ("audio", ",hls_group_id=audio,hls_name=English,language=en")] {
        command.arg(format!(
            "in=pipe,stream={stream},init_segment={stream}/init.mp4,segment_template={stream}/$Number$.m4s,\
             playlist_name={stream}.m3u8{more}{label}"
        ));
    }
    command.args(["--io_block_size", "65536", "--segment_duration", "2", "--time_shift_buffer_depth", "12"]);
    command.args(["--preserved_segments_outside_live_window", "10", "--minimum_update_period", "2"]);
    command.args(["--hls_master_playlist_output", "master.m3u8", "--hls_playlist_type", "LIVE"]);
    command.args(["--mpd_output", "live.mpd", "--suggested_presentation_delay", "6"]);
    command.args(["--utc_timings", &format!("urn:mpeg:dash:utc:http-head:2014={time_url}")]);
    if encrypted {
        command.args(["--enable_raw_key_encryption", "--clear_lead", "0", "--protection_scheme", protection.name()]);
        let key = "label=ALL:key_id=abba271e8bcf552bbd2e86a434a9a5d9:key=69eaa802a6763af979e8d1940fb88392";
        command.args(["--keys", key, "--protection_systems", "Widevine", "--hls_key_uri", "skd://key"]);
    }
    spawn(command, out, "packager.log")
}

fn spawn(mut command: Command, folder: &Path, log: &str) -> Result<Child> {
    let log = std::fs::File::create(folder.join(log))?;
    let program = command.as_std().get_program().to_owned();
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
    command.spawn().with_context(|| format!("cannot start {}; `scripts/setup.sh test` brings it", program.display()))
}

/// `OTTWATCH_PACKAGER`, or where the set-up put it.
fn program() -> Result<PathBuf> {
    let set = std::env::var_os("OTTWATCH_PACKAGER").map(PathBuf::from);
    let path = set.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/bin/packager"));
    path.canonicalize().with_context(|| format!("no Shaka Packager at {}: run scripts/setup.sh test", path.display()))
}
