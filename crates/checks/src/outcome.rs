//! What one run of a check says.

use ow_domain::{Severity, TrackId};

use crate::registry::Scope;

/// Collects the evaluations of one run of one check. Saying nothing is `unknown`.
#[derive(Debug, Default)]
pub struct Outcome {
    pub(crate) evaluations: Vec<Evaluation>,
}

#[derive(Debug)]
pub(crate) struct Evaluation {
    pub scope: Option<Scope>,
    pub track: Option<TrackId>,
    /// `None` for a pass of all reasons.
    pub reason: Option<&'static str>,
    pub result: Result,
}

#[derive(Debug)]
pub(crate) enum Result {
    Pass,
    Between,
    Unknown,
    Fail(Fail),
}

/// A failing evaluation under construction.
#[derive(Debug)]
pub struct Fail {
    pub(crate) severity: Severity,
    pub(crate) value: String,
    pub(crate) limit: String,
    pub(crate) message: String,
    pub(crate) line: Option<u32>,
    pub(crate) previous_digest: Option<String>,
    pub(crate) facts: Vec<(String, String)>,
    /// All renditions of the stream are known to share the cause.
    pub(crate) shared: bool,
}

/// Where the evaluation just made can be refined.
pub struct At<'a>(&'a mut Evaluation);

impl Outcome {
    fn push(&mut self, result: Result) -> At<'_> {
        self.evaluations.push(Evaluation { scope: None, track: None, reason: None, result });
        let last = self.evaluations.len() - 1;
        At(&mut self.evaluations[last])
    }

    /// All is well: counts towards clearing, for every reason unless one is named.
    pub fn pass(&mut self) -> At<'_> {
        self.push(Result::Pass)
    }

    /// Below the raise threshold, but not yet below the clear threshold.
    pub fn between(&mut self) -> At<'_> {
        self.push(Result::Between)
    }

    /// Cannot tell: freezes the counters.
    pub fn unknown(&mut self) -> At<'_> {
        self.push(Result::Unknown)
    }

    /// Broken. `message` is one sentence that names measured and expected, both as given in `value` and `limit`.
    pub fn fail(
        &mut self,
        severity: Severity,
        value: impl Into<String>,
        limit: impl Into<String>,
        message: impl Into<String>,
    ) -> At<'_> {
        self.push(Result::Fail(Fail {
            severity,
            value: value.into(),
            limit: limit.into(),
            message: message.into(),
            line: None,
            previous_digest: None,
            facts: Vec::new(),
            shared: false,
        }))
    }
}

impl At<'_> {
    /// A closed word that tells kinds of one fault apart; part of the alarm's identity.
    pub fn reason(self, reason: &'static str) -> Self {
        self.0.reason = Some(reason);
        self
    }
    pub fn on_stream(self) -> Self {
        self.0.scope = Some(Scope::Stream);
        self
    }
    pub fn on_track(self, track: &TrackId) -> Self {
        self.0.scope = Some(Scope::Track);
        self.0.track = Some(track.clone());
        self
    }
    fn fail(&mut self, with: impl FnOnce(&mut Fail)) {
        if let Result::Fail(fail) = &mut self.0.result {
            with(fail);
        }
    }
    /// Line of the playlist, 0 for none.
    pub fn line(mut self, line: u32) -> Self {
        self.fail(|fail| fail.line = (line > 0).then_some(line));
        self
    }
    /// A named value with its unit, for the evidence.
    pub fn fact(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.fail(|fail| fail.facts.push((name.to_owned(), value.to_string())));
        self
    }
    pub fn previous_digest(mut self, digest: Option<&str>) -> Self {
        self.fail(|fail| fail.previous_digest = digest.map(str::to_owned));
        self
    }
    pub fn shared(mut self, shared: bool) -> Self {
        self.fail(|fail| fail.shared = shared);
        self
    }
}

/// Seconds as people read them: one decimal, three below 0.1 s.
pub fn seconds(span: ow_domain::Span) -> String {
    let s = span.secs_f64();
    if s != 0.0 && s.abs() < 0.1 { format!("{s:.3} s") } else { format!("{s:.1} s") }
}

/// Seconds to the millisecond, without trailing zeros.
pub fn exact_seconds(span: ow_domain::Span) -> String {
    let text = format!("{:.3}", span.secs_f64());
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}
