//! ffmpeg as a live packager: somebody else's HLS.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result};
use tokio::process::{Child, Command};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segments {
    MpegTs,
    Fmp4,
}

/// A running ffmpeg that writes `master.m3u8` with two renditions into a folder. Killed when dropped.
pub struct Packager {
    child: Child,
}

impl Packager {
    /// Two video renditions with audio, 2 s segments, window of 6, in real time, for at most so many seconds.
    pub fn start(folder: &Path, segments: Segments, limit: u64) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let log = std::fs::File::create(folder.join("ffmpeg.log"))?;
        let mut command = Command::new("ffmpeg");
        let limit = limit.to_string();
        command.args(["-hide_banner", "-nostats", "-loglevel", "warning", "-y", "-re", "-t", &limit]);
        command.args(["-f", "lavfi", "-i", "testsrc2=size=426x240:rate=25"]);
        command.args(["-re", "-t", &limit, "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]);
        command.args(["-map", "0:v", "-map", "1:a", "-map", "0:v", "-map", "1:a"]);
        command.args(["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-threads", "1"]);
        command.args(["-g", "50", "-keyint_min", "50", "-sc_threshold", "0", "-pix_fmt", "yuv420p"]);
        command.args(["-b:v:0", "400k", "-maxrate:v:0", "400k", "-bufsize:v:0", "400k"]);
        command.args([
            "-filter:v:1",
            "scale=256:144",
            "-b:v:1",
            "150k",
            "-maxrate:v:1",
            "150k",
            "-bufsize:v:1",
            "150k",
        ]);
        command.args(["-c:a", "aac", "-b:a", "64k", "-f", "hls", "-hls_time", "2", "-hls_list_size", "6"]);
        command.args(["-hls_flags", "delete_segments+program_date_time+independent_segments+temp_file"]);
        command.args(["-hls_delete_threshold", "6", "-master_pl_name", "master.m3u8"]);
        command.args(["-var_stream_map", "v:0,a:0,name:240p v:1,a:1,name:144p"]);
        match segments {
            Segments::MpegTs => {
                command.args(["-hls_segment_type", "mpegts", "-hls_segment_filename", "%v/%05d.ts"]);
            }
            Segments::Fmp4 => {
                command.args(["-hls_segment_type", "fmp4", "-hls_segment_filename", "%v/%05d.m4s"]);
                command.args(["-hls_fmp4_init_filename", "init.mp4"]);
            }
        }
        command.arg("%v/index.m3u8");
        let child = command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start ffmpeg; `scripts/setup.sh test` installs it")?;
        Ok(Self { child })
    }

    /// CMAF for HLS (`master.m3u8`) and DASH (`live.mpd`) from one encoder: two video renditions and audio, 2 s segments, a
    /// window of 6, in real time, for at most `seconds`. `time_url` answers with ISO 8601 time: the UTCTiming of the MPD.
    pub fn cmaf(folder: &Path, seconds: u32, time_url: &str) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let log = std::fs::File::create(folder.join("ffmpeg.log"))?;
        let limit = seconds.to_string();
        let mut command = Command::new("ffmpeg");
        command.args(["-hide_banner", "-nostats", "-loglevel", "warning", "-y"]);
        command.args(["-re", "-t", &limit, "-f", "lavfi", "-i", "testsrc2=size=426x240:rate=25"]);
        command.args(["-re", "-t", &limit, "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]);
        command.args(["-map", "0:v", "-map", "0:v", "-map", "1:a"]);
        command.args(["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-threads", "1"]);
        command.args(["-g", "50", "-keyint_min", "50", "-sc_threshold", "0", "-pix_fmt", "yuv420p"]);
        command.args(["-b:v:0", "400k", "-maxrate:v:0", "400k", "-bufsize:v:0", "400k"]);
        command.args(["-filter:v:1", "scale=256:144"]);
        command.args(["-b:v:1", "150k", "-maxrate:v:1", "150k", "-bufsize:v:1", "150k"]);
        command.args(["-c:a", "aac", "-b:a", "64k", "-f", "dash", "-seg_duration", "2", "-window_size", "6"]);
        command.args(["-extra_window_size", "10", "-use_template", "1", "-use_timeline", "1", "-streaming", "0"]);
        command.args(["-hls_playlist", "1", "-hls_master_name", "master.m3u8", "-utc_timing_url", time_url]);
        command.args(["-metadata:s:a", "language=eng"]);
        command.args(["-adaptation_sets", "id=0,streams=v id=1,streams=a", "live.mpd"]);
        let child = command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start ffmpeg; `scripts/setup.sh test` installs it")?;
        Ok(Self { child })
    }

    /// Stops it at once, as a crash does: no ENDLIST is written.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("cannot end ffmpeg")
    }
}
