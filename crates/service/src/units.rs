//! Configuration values with units, and secrets.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration written with its unit: `"250ms"`, `"5s"`, `"2m"`, `"24h"`, `"30d"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HumanDuration(pub Duration);

/// A size written with its unit: `"512B"`, `"64KiB"`, `"8MiB"`, `"10GiB"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HumanBytes(pub u64);

/// Not a value with a unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a {what}; write a whole number and its unit, for example {example:?}")]
pub struct UnitError {
    value: String,
    what: &'static str,
    example: &'static str,
}

const DURATION_UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const BYTE_UNITS: [(&str, u64); 5] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

fn parse_with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim_start();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor)
}

fn format_with_unit(value: u64, units: &[(&str, u64)]) -> String {
    let (name, factor) =
        units.iter().rev().find(|(_, factor)| value >= *factor && value.is_multiple_of(*factor)).unwrap_or(&units[0]);
    format!("{}{name}", value / factor)
}

impl FromStr for HumanDuration {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse_with_unit(text, &DURATION_UNITS).map(|ms| Self(Duration::from_millis(ms))).ok_or_else(|| UnitError {
            value: text.to_owned(),
            what: "duration",
            example: "1500ms",
        })
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        f.write_str(&format_with_unit(ms, &DURATION_UNITS))
    }
}

impl FromStr for HumanBytes {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse_with_unit(text, &BYTE_UNITS).map(Self).ok_or_else(|| UnitError {
            value: text.to_owned(),
            what: "size",
            example: "8MiB",
        })
    }
}

impl fmt::Display for HumanBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_with_unit(self.0, &BYTE_UNITS))
    }
}

macro_rules! text_serde {
    ($type:ty) => {
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
text_serde!(HumanDuration);
text_serde!(HumanBytes);

/// A text that does not print. Configured as `{ file = "/path" }` or `{ env = "NAME" }`, never inline.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Why a secret could not be read. Never holds the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("cannot read the secret file {path}")]
    File {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the secret file {path} is empty")]
    Empty { path: String },
}

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    /// Reads a file, without its trailing line end.
    pub fn from_file(path: &Path) -> Result<Self, SecretError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| SecretError::File { path: shown.clone(), source })?;
        match text.trim_end_matches(['\n', '\r']) {
            "" => Err(SecretError::Empty { path: shown }),
            text => Ok(Self(text.to_owned())),
        }
    }
    /// The text itself; call it only where it is handed to the far side.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_have_units() {
        for (text, ms) in [("250ms", 250), ("5s", 5_000), ("2m", 120_000), ("24h", 86_400_000), ("0s", 0)] {
            assert_eq!(text.parse::<HumanDuration>().unwrap().0, Duration::from_millis(ms));
        }
        for bad in ["5", "s", "", "1.5s", "-1s", "99999999999999999999d", "18446744073709551615d"] {
            assert!(bad.parse::<HumanDuration>().unwrap_err().to_string().contains("1500ms"), "{bad}");
        }
        assert_eq!("8MiB".parse::<HumanBytes>().unwrap().0, 8 << 20);
        assert_eq!(HumanBytes(8 << 20).to_string(), "8MiB");
        assert_eq!(HumanDuration(Duration::from_millis(1500)).to_string(), "1500ms");
        assert_eq!(HumanDuration(Duration::ZERO).to_string(), "0ms");
    }

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2"))), "Some(<secret>)");
    }
}
