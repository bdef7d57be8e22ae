//! Playlists as text and a probe that polls them, for the tests of the tracker.

use ow_domain::{Span, Time};
use ow_hls::{MediaPlaylist, Playlist, Variables};

use super::HlsTracker;
use crate::step::{Classification, DsnVerdict, Step};
use crate::{BodyDigest, KeyRules, Observation, Outcome};

const URL: &str = "https://origin.example/live/vtv3/video/index.m3u8";

/// Builds playlists as text and reads them, as the validator does.
#[derive(Clone)]
pub(super) struct Text {
    pub td: u64,
    pub first: u64,
    pub dseq: Option<u64>,
    pub lines: Vec<String>,
    pub end: bool,
}

impl Text {
    /// Segments `<prefix><first + offset>.ts` of 6 s.
    pub fn new(msns: std::ops::RangeInclusive<u64>) -> Self {
        Self::named(msns, |msn| format!("s{msn}.ts"))
    }
    pub fn named(msns: std::ops::RangeInclusive<u64>, name: impl Fn(u64) -> String) -> Self {
        let first = *msns.start();
        let lines = msns.flat_map(|msn| ["#EXTINF:6.000,".to_owned(), name(msn)]).collect();
        Self { td: 6, first, dseq: None, lines, end: false }
    }
    /// Puts a tag before the EXTINF of the segment at `index` of the list.
    pub fn tag(mut self, index: usize, tag: &str) -> Self {
        let at = self.lines.iter().enumerate().filter(|(_, l)| l.starts_with("#EXTINF")).nth(index).unwrap().0;
        self.lines.insert(at, tag.to_owned());
        self
    }
    pub fn extinf(mut self, index: usize, text: &str) -> Self {
        let at = self.lines.iter().enumerate().filter(|(_, l)| l.starts_with("#EXTINF")).nth(index).unwrap().0;
        self.lines[at] = format!("#EXTINF:{text},");
        self
    }
    pub fn dseq(mut self, dseq: u64) -> Self {
        self.dseq = Some(dseq);
        self
    }
    pub fn td(mut self, td: u64) -> Self {
        self.td = td;
        self
    }
    pub fn end(mut self) -> Self {
        self.end = true;
        self
    }
    pub fn body(&self) -> String {
        let mut out = format!("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{}\n", self.td);
        out += &format!("#EXT-X-MEDIA-SEQUENCE:{}\n", self.first);
        if let Some(dseq) = self.dseq {
            out += &format!("#EXT-X-DISCONTINUITY-SEQUENCE:{dseq}\n");
        }
        for line in &self.lines {
            out += line;
            out.push('\n');
        }
        if self.end {
            out += "#EXT-X-ENDLIST\n";
        }
        out
    }
}

pub(super) fn read(body: &str) -> MediaPlaylist {
    match ow_hls::parse(body.as_bytes(), Variables::default()).0 {
        Playlist::Media(playlist) => *playlist,
        Playlist::Multivariant(_) => unreachable!("only media playlists are built here"),
    }
}

pub(super) fn at(seconds: f64) -> Time {
    Time::UNIX_EPOCH + Span::from_secs_f64(seconds)
}

pub(super) struct Probe {
    pub tracker: HlsTracker,
    /// Write and read the state after every step.
    pub snapshots: bool,
}

impl Probe {
    pub fn new() -> Self {
        Self { tracker: HlsTracker::new(KeyRules::default()), snapshots: true }
    }
    /// A response that takes 20 ms.
    pub fn poll(&mut self, t_req: f64, text: &Text) -> Step {
        self.poll_body(t_req, t_req + 0.02, &text.body(), None)
    }
    pub fn poll_body(&mut self, t_req: f64, t_end: f64, body: &str, age: Option<Span>) -> Step {
        let playlist = read(body);
        let outcome = Outcome::Ok { playlist: &playlist, digest: BodyDigest::of(body) };
        self.observe(t_req, t_end, age, outcome)
    }
    pub fn observe(&mut self, t_req: f64, t_end: f64, age: Option<Span>, outcome: Outcome<'_>) -> Step {
        let step = self.tracker.step(&Observation {
            t_req: at(t_req),
            t_end: at(t_end),
            clock_uncertainty: Span::from_millis(50),
            final_url: URL,
            age,
            outcome,
        });
        if self.snapshots {
            let text = serde_json::to_string(&self.tracker).unwrap();
            self.tracker = serde_json::from_str(&text).unwrap();
        }
        step
    }
}

pub(super) fn secs(seconds: f64) -> Span {
    Span::from_secs_f64(seconds)
}

pub(super) fn advance(n_new: u64) -> Classification {
    Classification::Advance { n_new, head_came_back: false }
}

pub(super) fn quiet(step: &Step) {
    assert!(step.changes.is_empty() && step.regressed.is_none() && step.pdt_moved.is_none(), "{step:?}");
    assert!(!matches!(step.dsn, DsnVerdict::Wrong { .. }), "{step:?}");
}

pub(super) fn restarted(msns: std::ops::RangeInclusive<u64>) -> Text {
    Text::named(msns, |msn| format!("new{msn}.ts"))
}
