//! Which objects a fault falls on.

use serde::{Deserialize, Serialize};

use super::{FaultError, FaultKind, Malformed};
use crate::config::OriginConfig;
use crate::ladder::{RENDITIONS, SUBTITLES};

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    /// HLS multivariant playlist.
    Mvp,
    MediaPlaylist,
    Segment,
    /// Part of a segment, low-latency HLS.
    Part,
    /// Initialization segment.
    Init,
    Mpd,
    /// The key of encrypted TS.
    Key,
}

/// Which of the packagings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// HLS with MPEG-TS.
    Ts,
    /// HLS with fMP4.
    Cmaf,
    /// Low-latency HLS with fMP4.
    Ll,
    Dash,
}

/// Chooses objects; everything by default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selector {
    /// Channel name or glob (`*` any text, `?` one character). Default `*`.
    pub channel: String,
    /// Rendition name or glob. Objects of no rendition (multivariant playlist, MPD) are only chosen by `*`. Default `*`.
    pub rendition: String,
    /// Empty: all that the fault applies to.
    pub object: Vec<ObjectKind>,
    /// Empty: all.
    pub format: Vec<Format>,
    /// 1: each; n: segments whose number n divides, every n-th request of a playlist or MPD. Default 1.
    pub every: u64,
    /// Only segments that are published after the fault began; those listed before stay as they were. Default false.
    pub new: bool,
}

impl Default for Selector {
    fn default() -> Selector {
        Selector {
            channel: "*".into(),
            rendition: "*".into(),
            object: Vec::new(),
            format: Vec::new(),
            every: 1,
            new: false,
        }
    }
}

impl Selector {
    /// Whether this selector can ever choose something for `kind` on this origin.
    pub(crate) fn check(&self, kind: &FaultKind, config: &OriginConfig) -> Result<(), FaultError> {
        if self.every == 0 {
            return Err(FaultError::new("select.every", 0, "must be at least 1", "3"));
        }
        for (field, glob) in [("select.channel", &self.channel), ("select.rendition", &self.rendition)] {
            if glob.is_empty() || glob.len() > 64 {
                return Err(FaultError::new(field, glob, "must be a name or glob of 1 to 64 characters", "*"));
            }
        }
        if !is_glob(&self.channel) && !config.has_channel(&self.channel) {
            let (reason, example) = match config.n_channels {
                Some(n) => (format!("no such channel, the origin has ch1 to ch{n}"), "ch1"),
                None => ("not a slug of a-z, 0-9, -".to_owned(), "news-1"),
            };
            return Err(FaultError::new("select.channel", &self.channel, reason, example));
        }
        if !RENDITIONS.iter().chain([&SUBTITLES]).any(|r| glob_matches(&self.rendition, r)) {
            let reason = format!("matches no rendition; there are {}, {SUBTITLES}", RENDITIONS.join(", "));
            return Err(FaultError::new("select.rendition", &self.rendition, reason, RENDITIONS[0]));
        }
        if let Some(object) = self.object.iter().find(|o| !kind.applies_to().contains(o)) {
            let can = kind.applies_to().iter().map(name).collect::<Vec<_>>();
            let reason = format!("{} applies to {}", kind.name(), can.join(", "));
            return Err(FaultError::new("select.object", name(object), reason, can[0].clone()));
        }
        if !self.format.is_empty() && !self.format.iter().any(|f| kind.formats().contains(f)) {
            let can = kind.formats().iter().map(name).collect::<Vec<_>>();
            let reason = format!("{} exists in {}", kind.name(), can.join(", "));
            return Err(FaultError::new("select.format", name(&self.format[0]), reason, can[0].clone()));
        }
        if !self.can_meet(kind) {
            return Err(FaultError::new(
                "select",
                serde_json::to_string(self).unwrap_or_default(),
                "object, format and rendition exclude each other: Mpd is dash; mvp and media-playlist are ts, cmaf or ll; init is cmaf, ll or dash; part is ll; \
                 a rendition has no mvp and no mpd",
                r#"{"object": ["segment"], "format": ["ts"]}"#,
            ));
        }
        if matches!(kind, FaultKind::Malformed { how: Malformed::ByteOrderMark }) && self.object == [ObjectKind::Mpd] {
            return Err(FaultError::new("fault.how", "byte-order-mark", "is legal in XML", "cut-off"));
        }
        if matches!(kind, FaultKind::MissingRendition {}) && self.rendition == "*" {
            return Err(FaultError::new(
                "select.rendition",
                "*",
                "missing-rendition would leave nothing: name one",
                "240p",
            ));
        }
        Ok(())
    }

    fn can_meet(&self, kind: &FaultKind) -> bool {
        let named = self.rendition != "*" && !matches!(kind, FaultKind::MissingRendition {});
        kind.applies_to().iter().filter(|o| self.object.is_empty() || self.object.contains(o)).any(|o| {
            let formats: &[Format] = match o {
                ObjectKind::Mpd => &[Format::Dash],
                ObjectKind::Mvp | ObjectKind::MediaPlaylist => &[Format::Ts, Format::Cmaf, Format::Ll],
                ObjectKind::Init => &[Format::Cmaf, Format::Ll, Format::Dash],
                ObjectKind::Segment => &[Format::Ts, Format::Cmaf, Format::Ll, Format::Dash],
                ObjectKind::Part => &[Format::Ll],
                ObjectKind::Key => &[Format::Ts],
            };
            let format = formats
                .iter()
                .any(|f| kind.formats().contains(f) && (self.format.is_empty() || self.format.contains(f)));
            format && !(named && matches!(o, ObjectKind::Mvp | ObjectKind::Mpd | ObjectKind::Key))
        })
    }
}

/// The name in JSON.
fn name(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn is_glob(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// `*` stands for any text, `?` for one character.
pub(crate) fn glob_matches(glob: &str, text: &str) -> bool {
    let (g, t) = (glob.as_bytes(), text.as_bytes());
    let (mut i, mut j) = (0, 0);
    // Where to go on when the text after the last `*` did not fit.
    let mut back: Option<(usize, usize)> = None;
    while j < t.len() {
        if i < g.len() && g[i] == b'*' {
            back = Some((i, j));
            i += 1;
        } else if i < g.len() && (g[i] == b'?' || g[i] == t[j]) {
            i += 1;
            j += 1;
        } else if let Some((star, at)) = back {
            back = Some((star, at + 1));
            i = star + 1;
            j = at + 1;
        } else {
            return false;
        }
    }
    g[i..].iter().all(|&b| b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (glob, text, expected) in [
            ("*", "", true),
            ("*", "ch1", true),
            ("ch?", "ch1", true),
            ("ch?", "ch12", false),
            ("ch*2", "ch12", true),
            ("ch*2", "ch123", false),
            ("*a*b", "xaxbab", true),
            ("360p", "360", false),
            ("", "x", false),
        ] {
            assert_eq!(glob_matches(glob, text), expected, "{glob} on {text}");
        }
    }

    fn check(json: &str, expected: &str) {
        let spec: crate::FaultSpec = serde_json::from_str(json).expect(json);
        let config = OriginConfig { n_channels: Some(3), ..OriginConfig::default() };
        let got = spec.select.check(&spec.fault, &config).and_then(|()| spec.fault.check());
        let got = got.err().map(|e| e.to_string()).unwrap_or_default();
        assert_eq!(got, expected, "{json}");
    }

    #[test]
    fn selectors_are_checked() {
        check(r#"{"fault": {"kind": "frozen-playlist"}}"#, "");
        check(r#"{"select": {"channel": "ch*", "rendition": "2*", "every": 2}, "fault": {"kind": "empty-body"}}"#, "");
        check(
            r#"{"select": {"channel": "ch4"}, "fault": {"kind": "html"}}"#,
            "select.channel = ch4: no such channel, the origin has ch1 to ch3; for example ch1",
        );
        check(
            r#"{"select": {"rendition": "1080p"}, "fault": {"kind": "html"}}"#,
            "select.rendition = 1080p: matches no rendition; there are 360p, 240p, 144p, audio, subs; for example 360p",
        );
        check(
            r#"{"select": {"object": ["segment"]}, "fault": {"kind": "frozen-playlist"}}"#,
            "select.object = segment: frozen-playlist applies to media-playlist, mpd; for example media-playlist",
        );
        check(
            r#"{"select": {"format": ["cmaf"]}, "fault": {"kind": "continuity-error"}}"#,
            "select.format = cmaf: continuity-error exists in ts; for example ts",
        );
        check(
            r#"{"fault": {"kind": "missing-rendition"}}"#,
            "select.rendition = *: missing-rendition would leave nothing: name one; for example 240p",
        );
        check(
            r#"{"select": {"every": 0}, "fault": {"kind": "gap"}}"#,
            "select.every = 0: must be at least 1; for example 3",
        );
        check(
            r#"{"fault": {"kind": "http-status", "status": 99}}"#,
            "fault.status = 99: must be 200 to 599; for example 503",
        );
    }
}
