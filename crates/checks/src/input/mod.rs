//! What checks are given. Everything is borrowed from the judge for one run.

mod align;
mod dash;
pub(crate) mod mp4;

use std::collections::{BTreeMap, BTreeSet};

use ow_domain::capture::{BodyEnd, Capture, FailureKind, ObjectKind, Outcome, Phase, Response, Track, TrackKind};
use ow_domain::facts::{Container, EsKind, SegmentFacts, TsFacts};
use ow_domain::policy::ChannelPolicy;
use ow_domain::probe::ProbeFacts;
use ow_domain::{Span, Time, TrackId};
use ow_hls::{Issue, MediaPlaylist, MultivariantPlaylist};
use ow_timeline::Step;

mod ladder;
mod llhls;
mod xp;

use crate::judge::memory::TrackMemory;
pub use crate::judge::memory::{
    AdEvent, AdHistory, ClockDrift, ContFault, DashBreaks, DateRangeFault, Drift, History, MediaClock, MvpMemory,
    NumberDrift, PastInit, PastSegment, Placed, PlaylistHistory, RewriteVerdict, Sample, StillOpen, TagMemory,
};
pub use crate::settings::TagRuleInForce;
pub use align::{Aligned, AlignedSegment, AlignedTrack, Break, media_difference, span_of};
pub use dash::{LocationStep, MpdLoad, MpdStep};
pub use ladder::{Agreed, Delivered, DeliveryState, FLAPPING_SPAN, LadderLoad, Picture};
pub use llhls::{
    DeltaAnswer, DeltaLoad, EdgesLoad, HintAnswer, HintLoad, ListedPart, PartBytes, PartEdge, PartGone, PartLoad,
    PartSeen, PartsLoad, ReloadAnswer, ReloadLoad, ReportSeen, Share, WholeParts,
};
pub use xp::{Cuts, MarkPair, PresentationView, Presentations, SharedObject};

/// What a fetcher measured of itself.
pub struct ProbeLoad<'a> {
    pub facts: &'a ProbeFacts,
}

/// How long nothing was heard of a fetcher, at a tick.
pub struct ProbeSilence<'a> {
    pub silent: Span,
    /// Channels it held when it reported last; `None` when the probe never had a fetcher.
    pub held: Option<u32>,
    /// Others hold them now.
    pub taken_over: bool,
    pub policy: &'a ChannelPolicy,
}

/// One request, finished or failed.
pub struct Load<'a> {
    pub capture: &'a Capture,
    pub policy: &'a ChannelPolicy,
    /// What the body of a manifest turned out to be, without parsing it.
    pub body: BodyKind,
    /// The object is the entry of its stream.
    pub is_entry: bool,
    /// The host serves the entry of some stream.
    pub host_serves_entry: bool,
    /// The entry of the stream failed when it was last asked for: then its children say nothing.
    pub entry_failed: bool,
    /// A new connection to this host failed within the last seconds.
    pub host_failed_recently: bool,
    /// Failure of the host that belongs to the burst just counted.
    pub host_failure_counted: bool,
    /// Another key of the stream was asked for lately and did not work.
    pub other_key_fails: bool,
    /// The last ten segment loads over all tracks, this one included: how many, how many failed, on how many tracks.
    pub recent_segments: SegmentShare,
    /// 401 or 403, here or everywhere.
    pub rejected: Rejected,
    /// Windows over the host's traffic that this answer completed.
    pub windows: HostWindows,
    /// Of the playlist of the rendition, or of any of the stream.
    pub target_duration: Option<Span>,
    /// Median over the last ten segments of the rendition, bit/s, when this one completed ten.
    pub throughput_median: Option<u64>,
}

/// Whether an answer of 401 or 403 is about this object or about us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rejected {
    #[default]
    No,
    /// The others were not asked yet.
    Unsure,
    /// Others of the stream are answered.
    Here,
    /// The entry, or all of a kind: `entry`, `playlists`, `segments`.
    Everywhere(&'static str),
}

/// What became known of a host with one answer; `None` while a window is not full.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct HostWindows {
    /// 95th percentile over fifty new connections.
    pub connect_p95: Option<Span>,
    /// Series and 95th percentile of the time to the first byte over twenty requests.
    pub ttfb_p95: Option<(&'static str, Span)>,
    /// Median over ten answers of `Date` minus the probe's UTC.
    pub date_offset: Option<Span>,
    /// Failed and all requests of the last five minutes.
    pub errors: Option<(u32, u32)>,
    /// Answers with an Access-Control-Allow-Origin, of so many of this kind.
    pub cors: Option<(usize, usize)>,
}

/// A header by which the packager tells how fresh its answer is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OriginHeader<'a> {
    pub name: &'a str,
    pub unchanged_for: Span,
    pub body_unchanged_for: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SegmentShare {
    pub n: usize,
    pub n_failed: usize,
    pub n_failed_tracks: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// No body to look at.
    None,
    Playlist,
    /// A playlist behind a byte order mark.
    Bom,
    Mpd,
    /// Not the expected kind; says what it looks like.
    Foreign(&'static str),
}

/// A multivariant playlist as it stands, at every fetch, also an unchanged one.
pub struct MvpDocument<'a> {
    pub capture: &'a Capture,
    pub policy: &'a ChannelPolicy,
    pub playlist: &'a MultivariantPlaylist,
    pub issues: &'a [Issue],
    /// Keys that the media playlists name, as hashes.
    pub media_keys: &'a BTreeSet<u64>,
}

/// A multivariant playlist that was read.
pub struct MvpLoad<'a> {
    pub capture: &'a Capture,
    pub issues: &'a [Issue],
    /// Canonical form now, and that of the load before.
    pub now: &'a MvpMemory,
    pub before: Option<&'a MvpMemory>,
}

/// A media playlist body that starts like one, well-formed or not.
pub struct PlaylistLoad<'a> {
    pub capture: &'a Capture,
    /// `None` when it is a multivariant playlist.
    pub playlist: Option<&'a MediaPlaylist>,
    pub issues: &'a [Issue],
    /// The only rendition of its type in the stream.
    pub is_only_of_kind: bool,
}

/// A manifest that clients ask for again and again, as its headers may be judged.
pub struct LiveManifest<'a> {
    pub capture: &'a Capture,
    /// Target duration of a live media playlist; minimumUpdatePeriod of a dynamic MPD, and the length of a segment where that
    /// is 0. `None`: not live, or it does not say.
    pub rhythm: Option<Span>,
}

/// A media playlist judged against those before.
pub struct PlaylistStep<'a> {
    pub capture: &'a Capture,
    pub policy: &'a ChannelPolicy,
    pub step: &'a Step,
    /// `None` for 304.
    pub playlist: Option<&'a MediaPlaylist>,
    /// Digest of the last accepted body.
    pub previous_digest: Option<&'a str>,
    /// What PROGRAM-DATE-TIME of this rendition has to do with wall clock.
    pub wall_clock: WallClock,
    /// Rewritten segments of which the verdict is known now.
    pub rewrites: &'a [RewriteVerdict],
    /// Another rendition of the stream carries ENDLIST.
    pub ended_elsewhere: bool,
    /// Grammar breaches of this document.
    pub issues: &'a [Issue],
    /// The last minutes, this step included.
    pub history: &'a PlaylistHistory,
    /// Breaks so far, this step included.
    pub ads: &'a AdHistory,
    /// One of the headers that the template names, where the answer has it.
    pub origin_header: Option<OriginHeader<'a>>,
    /// What the operator wants of tags, and when they were listed last.
    pub tag_rules: &'a [TagRuleInForce],
    pub tags: &'a TagMemory,
}

/// Live latency by PROGRAM-DATE-TIME, where this answer tells it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WallClock {
    /// No PDT, or nothing new.
    Unknown,
    Known {
        /// End of this answer minus the PDT at the end of the newest segment.
        latency: Span,
        /// Median of the last ten minutes, once there is enough.
        median: Option<Span>,
        /// PDT is wall clock, not the time of an archive.
        is_wall_clock: bool,
    },
}

/// A segment or init section whose bytes were read completely.
pub struct MediaLoad<'a> {
    pub capture: &'a Capture,
    pub response: &'a Response,
    pub facts: Option<&'a SegmentFacts>,
    pub track: Option<&'a Track>,
    /// Of the playlist that lists it.
    pub target_duration: Option<Span>,
    /// The initialization section that the segment was read with; of another object the one read last before it.
    pub init: Option<&'a PastInit>,
    /// That of the segment just before.
    pub init_before: Option<&'a PastInit>,
    /// The segment just before, by number and in the same timeline, if its bytes were read.
    pub before: Option<&'a PastSegment>,
    /// How far decode times ran away from declared durations since the last seam.
    pub drift: Option<Drift>,
    /// Sizes of the segments of this rendition, this one included; `None` where the rendition is not known.
    pub history: Option<&'a History>,
    /// How media time runs, this segment included.
    pub clock: Option<&'a MediaClock>,
    /// How far it begins from where its number puts it: segments of a computed list of DASH.
    pub off_promise: Option<Span>,
    /// The same over an hour, this segment included.
    pub number_drift: Option<&'a NumberDrift>,
    /// All renditions of the stream.
    pub(crate) tracks: &'a BTreeMap<TrackId, TrackMemory>,
}

/// All renditions of one stream, after one of their playlists was judged.
pub struct Renditions<'a> {
    pub capture: &'a Capture,
    pub at: Time,
    pub tracks: &'a BTreeMap<TrackId, TrackAge>,
    /// The rendition just judged.
    pub track: &'a TrackId,
    /// This response showed something newer, at least half a target duration after the growth counted before.
    pub counts_as_growth: bool,
}

/// How old the newest content of a rendition is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackAge {
    pub kind: TrackKind,
    pub target_duration: Span,
    /// End of the response that first showed the newest content.
    pub first_seen_end: Time,
    /// Lower bound of the age at the last answer; zero when it grew.
    pub age: Span,
    /// At the origin, when a cache said how long it held the answer.
    pub age_at_origin: Option<Span>,
    pub newest_msn: u64,
}

/// Media time that the bytes of a segment hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    pub duration: Span,
    /// Typical length of an access unit; zero when unknown.
    pub access_unit: Span,
}

impl MediaLoad<'_> {
    /// Media sequence number or segment number.
    pub fn number(&self) -> Option<u64> {
        self.capture.promised.as_ref()?.number
    }

    /// The bytes are encrypted as a whole: nothing inside can be told.
    pub fn is_hidden(&self) -> bool {
        self.capture
            .promised
            .as_ref()
            .is_some_and(|p| matches!(p.key_method.as_deref(), Some("AES-128" | "AES-256" | "AES-256-GCM")))
    }

    /// Facts of a whole segment that is a transport stream one can read.
    pub fn ts(&self) -> Option<&TsFacts> {
        let is_segment = self.capture.object == ObjectKind::Segment && self.is_whole() && !self.is_hidden();
        self.facts.filter(|f| is_segment && f.container == Container::MpegTs)?.ts.as_ref()
    }

    /// The container could be read, so that times, rates and codecs found in it can be believed (CHECKS 1.3).
    pub fn is_sound(&self) -> bool {
        !self.is_hidden() && self.facts.is_some_and(is_sound)
    }

    /// The bytes are the whole segment, not a part of it asked for by the probe.
    pub fn is_whole(&self) -> bool {
        self.response.status == 200 || self.capture.promised.as_ref().is_some_and(|p| p.byte_range.is_some())
    }

    /// `EXTINF` or `S@d`.
    pub fn declared_duration(&self) -> Option<Span> {
        let promised = self.capture.promised.as_ref()?;
        promised.duration_us.map(Span::from_micros).filter(|d| *d > Span::ZERO)
    }

    /// Media time of a whole segment of sound or pictures; trick-play and text have none.
    pub fn measured_duration(&self) -> Option<Measured> {
        let is_timed = !self.track.is_some_and(|t| matches!(t.kind, TrackKind::Text | TrackKind::Trick));
        if self.capture.object != ObjectKind::Segment || !self.is_whole() || !is_timed || !self.is_sound() {
            return None;
        }
        let main = self.facts.and_then(|f| f.main()).filter(|m| matches!(m.kind, EsKind::Video | EsKind::Audio));
        let main = main.filter(|m| m.timescale > 0 && m.n_access_units > 0)?;
        let scaled = |ticks: i64| Span::from_secs(1).mul_ratio(ticks, i64::from(main.timescale));
        let access_unit = main.access_unit_duration.map_or(Span::ZERO, scaled);
        Some(Measured { duration: scaled(main.duration?), access_unit })
    }
}

/// Continuity errors in one segment from which on its times are worth nothing.
const MANY_LOST: u32 = 10;

/// The tables came first, and not too much was lost.
pub(crate) fn is_sound(facts: &SegmentFacts) -> bool {
    match (&facts.ts, facts.container) {
        (Some(ts), Container::MpegTs) => {
            let has_tables = ts.psi.n_pmt > 0 || ts.pat_pmt_first;
            ts.sync_losses == 0 && has_tables && !ts.psi.pes_before_pmt && ts.cc_errors < MANY_LOST
        }
        (_, Container::IsoBmff) => !mp4::is_broken(facts),
        _ => true,
    }
}

impl Load<'_> {
    pub fn response(&self) -> Option<&Response> {
        match &self.capture.exchange.outcome {
            Outcome::Response(response) => Some(response),
            Outcome::Failed(_) => None,
        }
    }
    /// Phase and kind of a request without an answer.
    pub fn failure(&self) -> Option<(Phase, FailureKind)> {
        match &self.capture.exchange.outcome {
            Outcome::Failed(failure) => Some((failure.phase, failure.kind)),
            Outcome::Response(_) => None,
        }
    }
    /// 401 or 403, and not for this object alone.
    pub fn is_turned_away(&self) -> bool {
        matches!(self.rejected, Rejected::Unsure | Rejected::Everywhere(_))
    }
    /// The Origin that was sent, where the channel has web clients.
    pub fn cors_origin(&self) -> Option<&str> {
        cors_origin(self.capture, self.policy)
    }
    pub fn is_manifest(&self) -> bool {
        self.capture.object.is_manifest()
    }
    /// `playlist`, `segment`, ... as people say it.
    pub fn object_name(&self) -> &'static str {
        object_name(self.capture.object)
    }
    /// Host name without port.
    pub fn host(&self) -> String {
        host_of(&self.capture.exchange.origin)
    }
    /// The answer proves that a connection can be made now.
    pub fn connection_works(&self) -> bool {
        self.response().is_some() && !(self.capture.exchange.timings.reused && self.host_failed_recently)
    }
    /// Body complete, as far as it was wanted.
    pub fn body_end(&self) -> Option<BodyEnd> {
        self.response().map(|r| r.body_end)
    }
}

pub(crate) fn object_name(object: ObjectKind) -> &'static str {
    match object {
        ObjectKind::Mvp => "multivariant playlist",
        ObjectKind::MediaPlaylist => "media playlist",
        ObjectKind::Mpd => "MPD",
        ObjectKind::Init => "initialization section",
        ObjectKind::Segment => "segment",
        ObjectKind::Part => "part",
        ObjectKind::Key => "key",
        ObjectKind::Probe => "report",
    }
}

pub(crate) fn cors_origin<'p>(capture: &Capture, policy: &'p ChannelPolicy) -> Option<&'p str> {
    let stream = policy.streams.iter().find(|s| s.stream == capture.stream).filter(|_| policy.checks.web_clients)?;
    stream.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("origin")).map(|(_, value)| value.as_str())
}

/// Host of `scheme://host:port`.
pub(crate) fn host_of(origin: &str) -> String {
    let rest = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(v6).to_owned(),
        None => authority.split(':').next().unwrap_or(authority).to_ascii_lowercase(),
    }
}
