//! Severity after ITU-T X.733, numbered as `ItuPerceivedSeverity` of RFC 3877.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Ordered: a later variant is worse. `Info` is no X.733 severity: it goes to the event log, never to a pager.
/// `Cleared` is the severity of a clear. `Indeterminate`: we cannot tell any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Cleared,
    Info,
    Indeterminate,
    Warning,
    Minor,
    Major,
    Critical,
}

impl Severity {
    pub const ALL: [Self; 7] =
        [Self::Cleared, Self::Info, Self::Indeterminate, Self::Warning, Self::Minor, Self::Major, Self::Critical];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cleared => "cleared",
            Self::Info => "info",
            Self::Indeterminate => "indeterminate",
            Self::Warning => "warning",
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Critical => "critical",
        }
    }

    /// `ItuPerceivedSeverity` of RFC 3877: cleared 1, indeterminate 2, critical 3, major 4, minor 5, warning 6.
    /// `Info` has no number and is given as 2.
    pub const fn itu_code(self) -> i32 {
        match self {
            Self::Cleared => 1,
            Self::Info | Self::Indeterminate => 2,
            Self::Critical => 3,
            Self::Major => 4,
            Self::Minor => 5,
            Self::Warning => 6,
        }
    }

    /// True for what may raise an alarm: warning and worse.
    pub const fn is_alarm(self) -> bool {
        matches!(self, Self::Warning | Self::Minor | Self::Major | Self::Critical)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Not the name of a severity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a severity; use critical, major, minor, warning, indeterminate, info or cleared")]
pub struct SeverityError(pub String);

impl FromStr for Severity {
    type Err = SeverityError;
    fn from_str(text: &str) -> Result<Self, SeverityError> {
        Self::ALL.into_iter().find(|s| s.as_str() == text).ok_or_else(|| SeverityError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_order_and_names() {
        assert!(Severity::Critical > Severity::Major && Severity::Warning > Severity::Info);
        for s in Severity::ALL {
            assert_eq!(s.as_str().parse::<Severity>().unwrap(), s);
            assert_eq!(serde_json::to_string(&s).unwrap(), format!("\"{s}\""));
        }
        assert!("fatal".parse::<Severity>().unwrap_err().to_string().contains("critical"));
    }
}
