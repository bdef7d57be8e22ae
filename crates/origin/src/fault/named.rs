//! Faults by name: the scripts of `assets/faults.toml`.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::{FaultError, FaultScript, ScriptStep};
use crate::config::{AdBreaks, OriginConfig};

/// A packaging and addressing of a channel: where its entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    Ts,
    Cmaf,
    /// Low-latency HLS.
    Ll,
    DashTimeline,
    DashNumber,
    /// TS encrypted segment by segment (AES-128).
    TsAes,
    /// TS with WebVTT subtitles.
    TsSubtitles,
    /// CMAF with encrypted samples (`cbcs`).
    CmafDrm,
    /// The same with a `SegmentTimeline`.
    DashDrm,
}

impl Profile {
    pub const ALL: [Profile; 9] = [
        Profile::Ts,
        Profile::Cmaf,
        Profile::Ll,
        Profile::DashTimeline,
        Profile::DashNumber,
        Profile::TsAes,
        Profile::TsSubtitles,
        Profile::CmafDrm,
        Profile::DashDrm,
    ];

    /// Path of the entry of a channel.
    pub fn entry(self, channel: &str) -> String {
        let rest = match self {
            Profile::Ts => "ts/master.m3u8",
            Profile::Cmaf => "cmaf/master.m3u8",
            Profile::Ll => "ll/master.m3u8",
            Profile::DashTimeline => "dash/timeline.mpd",
            Profile::DashNumber => "dash/number.mpd",
            Profile::TsAes => "ts-aes/master.m3u8",
            Profile::TsSubtitles => "ts-subs/master.m3u8",
            Profile::CmafDrm => "cmaf-drm/master.m3u8",
            Profile::DashDrm => "dash-drm/timeline.mpd",
        };
        format!("/live/{channel}/{rest}")
    }

    /// As in `faults.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Ts => "ts",
            Profile::Cmaf => "cmaf",
            Profile::Ll => "ll",
            Profile::DashTimeline => "dash-timeline",
            Profile::DashNumber => "dash-number",
            Profile::TsAes => "ts-aes",
            Profile::TsSubtitles => "ts-subtitles",
            Profile::CmafDrm => "cmaf-drm",
            Profile::DashDrm => "dash-drm",
        }
    }

    pub fn is_dash(self) -> bool {
        matches!(self, Profile::DashTimeline | Profile::DashNumber | Profile::DashDrm)
    }
}

/// A moment of media time at which a fault can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Near {
    /// The 33-bit clock of MPEG-TS wraps a minute after the fault begins.
    PtsWrap,
    /// A 32-bit `tfdt` of the video tracks wraps a minute after the fault begins.
    #[serde(rename = "tfdt32-wrap")]
    Tfdt32Wrap,
}

/// A fault with a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedFault {
    /// `F07`; a second way to be wrong in the same manner has a suffix.
    pub id: String,
    /// One line.
    pub title: String,
    /// The packaging on which it is shown.
    pub profile: Profile,
    /// Wrong from the first request on: there is no clean time before.
    #[serde(default)]
    pub always: bool,
    /// Another window than that of the configuration.
    #[serde(default)]
    pub window_segments: Option<u32>,
    #[serde(default)]
    pub near: Option<Near>,
    /// Of a slow fault: how long it takes to show.
    #[serde(default)]
    pub lasts_ms: Option<u64>,
    /// The channel has ad breaks: 4 of every 15 segments.
    #[serde(default)]
    pub ads: bool,
    #[serde(rename = "step")]
    steps: Vec<NamedStep>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct NamedStep {
    /// Never taken back.
    #[serde(default)]
    stays: bool,
    #[serde(flatten)]
    step: ScriptStep,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    fault: Vec<NamedFault>,
}

impl NamedFault {
    /// All of them, in the order of their ids.
    pub fn all() -> &'static [NamedFault] {
        static ALL: OnceLock<Vec<NamedFault>> = OnceLock::new();
        // A test reads the file; were it broken, there would be no names.
        ALL.get_or_init(|| {
            toml::from_str::<File>(include_str!("../../assets/faults.toml")).map_or(Vec::new(), |f| f.fault)
        })
    }

    pub fn find(id: &str) -> Option<&'static NamedFault> {
        NamedFault::all().iter().find(|f| f.id.eq_ignore_ascii_case(id))
    }

    /// What it needs of an origin.
    pub fn prepare(&self, config: OriginConfig) -> OriginConfig {
        let ads = AdBreaks { every_segments: 15, segments: 4 };
        OriginConfig {
            window_segments: self.window_segments.unwrap_or(config.window_segments),
            ad_breaks: if self.ads { Some(ads) } else { config.ad_breaks },
            ..config
        }
    }

    /// Something of it is never taken back.
    pub fn stays(&self) -> bool {
        self.steps.iter().any(|s| s.stays)
    }

    /// Its steps when it begins at `from_ms` and lasts for `for_ms` (`None`: for ever).
    pub fn steps(&self, from_ms: u64, for_ms: Option<u64>) -> Vec<ScriptStep> {
        let placed = |named: &NamedStep| {
            let left = match for_ms {
                Some(ms) if !named.stays => Some(ms.checked_sub(named.step.at_ms).filter(|left| *left > 0)?),
                _ => None,
            };
            let for_ms = match (named.step.for_ms, left) {
                (Some(own), Some(left)) => Some(own.min(left)),
                (own, left) => own.or(left),
            };
            Some(ScriptStep { at_ms: from_ms.saturating_add(named.step.at_ms), for_ms, ..named.step.clone() })
        };
        self.steps.iter().filter_map(placed).collect()
    }

    /// Steps of `F61`, `F61@60s` or `F61@60s..90s` (times since the start; units ms, s, m).
    pub fn parse(text: &str) -> Result<Vec<ScriptStep>, FaultError> {
        let wrong = |reason: &str| FaultError::new("fault", text, reason, "F61@60s..90s");
        let (id, when) = text.split_once('@').map_or((text, None), |(id, when)| (id, Some(when)));
        let fault = NamedFault::find(id).ok_or_else(|| wrong("there is no fault of this name"))?;
        let Some(when) = when else { return Ok(fault.steps(0, None)) };
        let (from, to) = when.split_once("..").map_or((when, None), |(from, to)| (from, Some(to)));
        let from = ms(from).ok_or_else(|| wrong("the beginning is not a time"))?;
        let to = to.map(|to| ms(to).filter(|to| *to > from).ok_or_else(|| wrong("the end is not a later time")));
        Ok(fault.steps(from, to.transpose()?.map(|to| to - from)))
    }
}

impl FaultScript {
    /// Adds the steps of a fault given as in [`NamedFault::parse`].
    pub fn add_named(&mut self, text: &str) -> Result<(), FaultError> {
        self.steps.extend(NamedFault::parse(text)?);
        Ok(())
    }
}

fn ms(text: &str) -> Option<u64> {
    let (digits, factor) = match text {
        t if t.ends_with("ms") => (&t[..t.len() - 2], 1),
        t if t.ends_with('s') => (&t[..t.len() - 1], 1_000),
        t if t.ends_with('m') => (&t[..t.len() - 1], 60_000),
        t => (t, 1_000),
    };
    digits.parse::<u64>().ok()?.checked_mul(factor).filter(|ms| *ms <= 366 * 86_400_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_fault_can_be_played() {
        toml::from_str::<File>(include_str!("../../assets/faults.toml")).expect("faults.toml reads");
        let ids: Vec<&str> = NamedFault::all().iter().map(|f| f.id.as_str()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
        for fault in NamedFault::all() {
            let script = FaultScript { steps: fault.steps(60_000, Some(60_000)), ..FaultScript::default() };
            assert_eq!(script.steps.len(), fault.steps.len(), "{}", fault.id);
            let config = OriginConfig { script, ..OriginConfig::default() };
            assert_eq!(config.problems(), [], "{}", fault.id);
        }
    }

    fn check(text: &str, expected: Result<(u64, Option<u64>), &str>) {
        let got = NamedFault::parse(text).map(|steps| (steps[0].at_ms, steps[0].for_ms));
        assert_eq!(got.as_ref().map_err(|e| e.reason.as_str()), expected.as_ref().map_err(|e| *e), "{text}");
    }

    #[test]
    fn names_with_times() {
        check("F07", Ok((0, None)));
        check("f07@90", Ok((90_000, None)));
        check("F07@60s..90s", Ok((60_000, Some(30_000))));
        check("F07@1m..61500ms", Ok((60_000, Some(1_500))));
        check("F01@60s..90s", Ok((60_000, None)));
        check("F99", Err("there is no fault of this name"));
        check("F07@soon", Err("the beginning is not a time"));
        check("F07@9s..3s", Err("the end is not a later time"));
        check("F07@99999999999999999s", Err("the beginning is not a time"));
    }
}
