//! An endless live packager: HLS with TS, HLS with fMP4, low-latency HLS and DASH (`SegmentTimeline` and `$Number$`) of one ladder, with faults on demand.
//!
//! Every object is a pure function of (channel, rendition, segment number): a small recording is embedded, cut into access units once,
//! and packaged when asked, with timestamps that follow from the segment number since an epoch. So a stream never repeats or breaks, not
//! at the 33-bit wrap nor over a restart, and hundreds of channels cost nothing. It knows nothing of checks or alarms: it says what is on
//! the wire, others judge.
//!
//! URLs (`<channel>` is any slug, or `ch1`..`chN` when [`OriginConfig::n_channels`] is set; renditions are `360p`, `240p`, `144p`, `audio`):
//! ```text
//! /live/<channel>/ts/master.m3u8        audio muxed into each rendition
//! /live/<channel>/ts/<rendition>/index.m3u8      /live/<channel>/ts/<rendition>/<n>.ts
//! /live/<channel>/cmaf/master.m3u8      audio as its own rendition group
//! /live/<channel>/cmaf/<rendition>/index.m3u8    .../init.mp4    .../<n>.m4s
//! /live/<channel>/ll/master.m3u8        low-latency HLS: parts of `part_ms`, blocking reload, delta updates
//! /live/<channel>/ll/<rendition>/index.m3u8?_HLS_msn=&_HLS_part=&_HLS_skip=YES
//! /live/<channel>/ll/<rendition>/init.mp4    .../<n>.m4s    .../<n>.<part>.m4s (held back when it is the hinted one)
//! /live/<channel>/dash/timeline.mpd     .../<rendition>/init.mp4    .../<rendition>/t<time>.m4s
//! /live/<channel>/dash/number.mpd       .../<rendition>/init.mp4    .../<rendition>/<n>.m4s
//! /live/<channel>/ts-aes/master.m3u8    whole segments encrypted (AES-128); .../key-<generation>
//! /live/<channel>/ts-subs/master.m3u8   with WebVTT subtitles: .../subs/index.m3u8, .../subs/<n>.vtt
//! /live/<channel>/cmaf-drm/master.m3u8  samples encrypted (cbcs)
//! /live/<channel>/dash-drm/timeline.mpd, number.mpd      the same
//! /time                                 UTC now (ISO 8601), for DASH UTCTiming
//! /control/faults                       GET lists, POST adds (JSON of FaultSpec), DELETE clears; DELETE /control/faults/<id> removes one
//! ```
//! Start reading at [`start`], then `respond` (what is answered) and `packager` (how bytes are made). Faults: [`FaultSpec`].

mod body;
mod clock;
mod cmaf;
mod config;
mod control;
mod cue;
mod fault;
mod hls;
mod ladder;
mod ll;
mod mark;
mod memory;
mod mpd;
mod packager;
mod protect;
mod recording;
mod respond;
mod route;
mod server;
mod timeline;
mod ts;

pub use clock::Clock;
pub use config::{AdBreaks, ConfigError, OriginConfig, OriginError};
pub use fault::{
    Active, Blocking, Discontinuity, FaultError, FaultHandle, FaultKind, FaultScript, FaultSpec, Flap, Format,
    Malformed, NamedFault, Near, ObjectKind, Profile, Rewrite, Rotation, ScriptStep, Seam, Selector, Sequence,
};
pub use memory::{MemoryOrigin, MemoryStream};
pub use server::{Origin, run, start, start_with_clock};
