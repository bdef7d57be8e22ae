//! Why something could not be told, and what to do about it.

use std::time::Duration;

/// A receiver was not told. The text is one line, names no secret, and may be shown to people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct SendError {
    pub kind: FailureKind,
    /// The message may have arrived all the same (sent, no answer heard).
    pub uncertain: bool,
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Network, time-out, the other side is busy or broken.
    Transient,
    /// The other side asks to wait.
    Throttled(Duration),
    /// Wrong or missing credentials or settings of ours: tried again slowly, since somebody may mend them.
    Settings,
    /// The other side will never take this message.
    Refused,
}

impl SendError {
    pub fn new(kind: FailureKind, detail: impl AsRef<str>) -> Self {
        Self { kind, uncertain: false, detail: crate::text::one_line(detail.as_ref(), 500) }
    }
    pub fn transient(detail: impl AsRef<str>) -> Self {
        Self::new(FailureKind::Transient, detail)
    }
    pub fn settings(detail: impl AsRef<str>) -> Self {
        Self::new(FailureKind::Settings, detail)
    }
    pub fn refused(detail: impl AsRef<str>) -> Self {
        Self::new(FailureKind::Refused, detail)
    }
    #[must_use]
    pub fn uncertain(mut self) -> Self {
        self.uncertain = true;
        self
    }
}

/// The error and its causes in one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    text
}
