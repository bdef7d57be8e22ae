//! What is remembered of a rendition so that it can be compared with the others of its stream.

use std::collections::{BTreeMap, VecDeque};

use ow_domain::Time;
use ow_domain::capture::Capture;
use ow_domain::facts::EsKind;
use ow_hls::{MediaPlaylist, PlaylistType};
use serde::{Deserialize, Serialize};

/// Segments whose media time is remembered.
const MAX_MEDIA: usize = 24;
/// Date ranges of one playlist.
const MAX_DATE_RANGES: usize = 64;

/// The last accepted playlist of a rendition and the media time of its segments.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct AlignMemory {
    /// Start of the last request that was answered with what is accepted.
    pub asked_at: Option<Time>,
    pub shape: PlaylistShape,
    pub media: VecDeque<MediaStart>,
}

/// What a playlist says as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PlaylistShape {
    pub target_duration_s: Option<u64>,
    /// `EVENT`, `VOD` or empty.
    pub playlist_type: String,
    pub ended: bool,
    /// At least one PROGRAM-DATE-TIME.
    pub dated: bool,
    /// Attributes of SERVER-CONTROL in order, PART-HOLD-BACK apart.
    pub server_control: Option<String>,
    pub part_hold_back_us: Option<i64>,
    pub part_target_us: Option<i64>,
    /// Id and digest of the attributes.
    pub date_ranges: BTreeMap<String, u64>,
}

/// Where a segment stands in media time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MediaStart {
    pub msn: u64,
    /// 90 kHz, as found.
    pub start: i64,
    /// Typical access unit, 90 kHz.
    pub unit: i64,
    /// Told in 32 bits, which begin again at a moment of their own in each rendition.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub short: bool,
    /// In fragments of ISO BMFF.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cmaf: bool,
}

impl AlignMemory {
    /// An accepted answer; no playlist means that it has not changed.
    pub fn take(&mut self, playlist: Option<&MediaPlaylist>, asked_at: Time) {
        self.asked_at = Some(asked_at);
        let Some(playlist) = playlist else { return };
        let control = playlist.server_control.as_ref();
        let text = control.map(|control| {
            let others = control.attributes.attributes.iter().filter(|a| &*a.name != "PART-HOLD-BACK");
            let mut all: Vec<String> = others.map(|a| format!("{}={}", a.name, a.value.as_str())).collect();
            all.sort_unstable();
            all.join(",")
        });
        let ranges = playlist.date_ranges.iter().filter(|r| !r.id.is_empty()).rev().take(MAX_DATE_RANGES);
        self.shape = PlaylistShape {
            target_duration_s: playlist.target_duration.map(|td| td.value),
            playlist_type: match playlist.playlist_type.map(|t| t.value) {
                Some(PlaylistType::Event) => "EVENT".into(),
                Some(PlaylistType::Vod) => "VOD".into(),
                Some(PlaylistType::Other) | None => String::new(),
            },
            ended: playlist.end_list.is_some(),
            dated: playlist.segments.iter().any(|s| s.program_date_time.is_some()),
            server_control: text.map(|t| t.chars().take(200).collect()),
            part_hold_back_us: control.and_then(|c| c.part_hold_back_us),
            part_target_us: playlist.part_inf.map(|p| p.part_target_us),
            date_ranges: ranges
                .map(|range| {
                    let mut attributes: Vec<String> = range
                        .attributes
                        .attributes
                        .iter()
                        .map(|a| format!("{}={}", a.name, a.value.as_str()))
                        .collect();
                    attributes.sort_unstable();
                    (range.id.chars().take(64).collect(), crate::judge::short_hash(&attributes.join(",")))
                })
                .collect(),
        };
    }

    /// A segment whose bytes were read.
    pub fn segment(&mut self, capture: &Capture) {
        let Some(promised) = &capture.promised else { return };
        // Numbers of a SegmentTimeline can be places in the window: its times stay.
        let listed_time = promised.dash.as_ref().filter(|dash| dash.explicit).map(|dash| dash.time);
        let Some(msn) = listed_time.or(promised.number) else { return };
        let Some(facts) = &capture.facts else { return };
        let main = facts.main().filter(|m| matches!(m.kind, EsKind::Video | EsKind::Audio) && m.timescale > 0);
        let Some(main) = main else { return };
        let ticks =
            |value: i64| i64::try_from(i128::from(value) * 90_000 / i128::from(main.timescale)).unwrap_or(i64::MAX);
        let packed = facts.packed.as_ref().and_then(|p| p.timestamp).and_then(|t| i64::try_from(t).ok());
        let Some(start) = packed.or(main.first_pts.map(ticks)) else { return };
        let unit = main.access_unit_duration.map_or(0, ticks);
        self.media.retain(|m| m.msn != msn);
        if self.media.len() == MAX_MEDIA {
            self.media.pop_front();
        }
        let short = facts.mp4.as_ref().is_some_and(|mp4| mp4.runs.iter().any(|run| run.tfdt_version == Some(0)));
        self.media.push_back(MediaStart { msn, start, unit, short, cmaf: facts.mp4.is_some() });
    }
}
