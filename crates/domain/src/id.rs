//! Identifiers. All of them are ASCII slugs, so that each is one NATS subject token, one URL path segment and one
//! metric label value without escaping.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest slug in bytes.
pub const MAX_SLUG_BYTES: usize = 63;

/// Why a text is not a slug. The text names the value and a valid example.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{value:?} is not a valid name: {reason}; use 1 to 63 of a-z, 0-9 and '-', starting with a letter or digit, for example \"vtv3-hd\""
)]
pub struct SlugError {
    pub value: String,
    pub reason: &'static str,
}

/// `[a-z0-9][a-z0-9-]{0,62}`: lower-case ASCII letters, digits and hyphens.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^[a-z0-9][a-z0-9-]{0,62}$"))]
pub struct Slug(Arc<str>);

impl Slug {
    pub fn new(text: &str) -> Result<Self, SlugError> {
        let fail = |reason| Err(SlugError { value: text.chars().take(80).collect(), reason });
        if text.is_empty() {
            return fail("it is empty");
        }
        if text.len() > MAX_SLUG_BYTES {
            return fail("it is longer than 63 characters");
        }
        if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            return fail("it has a character outside a-z, 0-9 and '-'");
        }
        if text.starts_with('-') {
            return fail("it starts with '-'");
        }
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Slug {
    type Error = SlugError;
    fn try_from(text: String) -> Result<Self, SlugError> {
        Self::new(&text)
    }
}

impl From<Slug> for String {
    fn from(slug: Slug) -> Self {
        slug.0.as_ref().to_owned()
    }
}

impl FromStr for Slug {
    type Err = SlugError;
    fn from_str(text: &str) -> Result<Self, SlugError> {
        Self::new(text)
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

macro_rules! slug_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(Slug);

        impl $name {
            pub fn new(text: &str) -> Result<Self, SlugError> {
                Slug::new(text).map(Self)
            }
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }
        impl FromStr for $name {
            type Err = SlugError;
            fn from_str(text: &str) -> Result<Self, SlugError> {
                Self::new(text)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }
    };
}

slug_id!(
    /// A channel: what viewers know under one name, in all its outputs.
    ChannelId
);
slug_id!(
    /// One stream of a channel: one entry URL (a multivariant playlist or an MPD) of one origin or CDN.
    StreamId
);
slug_id!(
    /// A probe: a place from which channels are watched. Several fetcher processes may serve one probe.
    ProbeId
);
slug_id!(
    /// Somebody or something that is told of incidents.
    ReceiverId
);
slug_id!(
    /// Stable name of a rendition inside a stream, derived from what it is (type, codec, height, bandwidth,
    /// language), never from its URL: `video-1080p`, `audio-eng`, `muxed`. Part of alarm identity.
    TrackId
);

impl TrackId {
    /// Makes a track name of any text: lower-cased, other characters become one hyphen each run, cut to length.
    pub fn from_text(text: &str) -> Self {
        let mut out = String::with_capacity(text.len().min(MAX_SLUG_BYTES));
        for c in text.chars() {
            let c = c.to_ascii_lowercase();
            if out.len() >= MAX_SLUG_BYTES {
                break;
            }
            if c.is_ascii_lowercase() || c.is_ascii_digit() {
                out.push(c);
            } else if !out.is_empty() && !out.ends_with('-') {
                out.push('-');
            }
        }
        let trimmed = out.trim_end_matches('-');
        Self(Slug(if trimmed.is_empty() { "track".into() } else { trimmed.into() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_subject_tokens() {
        for (text, ok) in [
            ("vtv3", true),
            ("vtv3-hd", true),
            ("3", true),
            ("", false),
            ("-a", false),
            ("VTV3", false),
            ("a.b", false),
            ("a b", false),
            ("a*", false),
            ("đ", false),
        ] {
            assert_eq!(Slug::new(text).is_ok(), ok, "{text:?}");
        }
        assert!(Slug::new(&"a".repeat(63)).is_ok());
        assert!(Slug::new(&"a".repeat(64)).is_err());
        let message = Slug::new("VTV 3").unwrap_err().to_string();
        assert!(message.contains("VTV 3") && message.contains("vtv3-hd"), "{message}");
    }

    #[test]
    fn track_names_from_any_text_are_slugs() {
        for (text, expected) in
            [("Video 1080p/5000k", "video-1080p-5000k"), ("Tiếng Việt", "ti-ng-vi-t"), ("***", "track"), ("", "track")]
        {
            assert_eq!(TrackId::from_text(text).as_str(), expected);
            assert!(Slug::new(TrackId::from_text(text).as_str()).is_ok());
        }
    }

    #[test]
    fn a_bad_id_in_json_is_refused_with_its_value() {
        let error = serde_json::from_str::<ChannelId>("\"No Good\"").unwrap_err().to_string();
        assert!(error.contains("No Good"), "{error}");
    }
}
