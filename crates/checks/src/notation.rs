//! The notation of holds and clears in CHECKS 1.2: `H2`, `H3/5`, `H3/60s`, `H30s`, `EV`, `EV, H3/10`,
//! `warning H3/10 -> minor H3/5 -> major H2/5`, `C2`, `C60s`.
//!
//! A step of a ladder is `<severity> <rule>`: failures of that severity or worse count. `minor@warning H3/10` counts
//! from warning and raises minor.

use ow_domain::{Severity, Span};

use crate::hold::{Clear, Hold, Level, MAX_WINDOW, Rule};

const FAILING: [Severity; 5] =
    [Severity::Info, Severity::Warning, Severity::Minor, Severity::Major, Severity::Critical];

/// Why a text is no hold or clear; names a valid example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotationError {
    pub reason: String,
    pub example: &'static str,
}

impl std::fmt::Display for NotationError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; example: {}", self.reason, self.example)
    }
}

impl std::error::Error for NotationError {}

const HOLD_EXAMPLE: &str = "\"H3/5\"";
const CLEAR_EXAMPLE: &str = "\"C2\"";

fn hold_error(reason: impl Into<String>) -> NotationError {
    NotationError { reason: reason.into(), example: HOLD_EXAMPLE }
}

/// Reads a raise hold.
pub fn parse_hold(text: &str) -> Result<Hold, NotationError> {
    let mut levels = Vec::new();
    if text.contains("->") || text.split_whitespace().count() > 1 && !text.contains(',') {
        for step in text.split("->") {
            let (severities, rule) = step
                .trim()
                .split_once(' ')
                .ok_or_else(|| hold_error(format!("{:?} is not a severity and a rule", step.trim())))?;
            let (raise, from) = severities.split_once('@').unwrap_or((severities, severities));
            let severity = |name: &str| {
                FAILING
                    .into_iter()
                    .find(|s| s.as_str() == name)
                    .ok_or_else(|| hold_error(format!("{name:?} is no severity")))
            };
            levels.push(Level { from: severity(from)?, raise: severity(raise)?, rule: parse_rule(rule.trim())? });
        }
    } else {
        for rule in text.split(',') {
            let rule = parse_rule(rule.trim())?;
            levels.extend(FAILING.map(|severity| Level { from: severity, raise: severity, rule }));
        }
    }
    Ok(Hold(levels))
}

fn parse_rule(text: &str) -> Result<Rule, NotationError> {
    if text == "EV" {
        return Ok(Rule::Event);
    }
    let body = text.strip_prefix('H').ok_or_else(|| hold_error(format!("{text:?} does not start with H")))?;
    if let Some((m, n)) = body.split_once('/') {
        let m = count(m).ok_or_else(|| hold_error(format!("{text:?}: {m:?} is no count of 1 to {MAX_WINDOW}")))?;
        if let Some(span) = seconds(n) {
            return Ok(Rule::Within { m, span });
        }
        let n = count(n).ok_or_else(|| hold_error(format!("{text:?}: {n:?} is no count of 1 to {MAX_WINDOW}")))?;
        if m > n {
            return Err(hold_error(format!("{text:?} asks for {m} of {n}")));
        }
        return Ok(Rule::Count { m, n });
    }
    if let Some(span) = seconds(body) {
        return Ok(Rule::For(span));
    }
    let n = count(body).ok_or_else(|| hold_error(format!("{text:?} is no count of 1 to {MAX_WINDOW}")))?;
    Ok(Rule::Count { m: n, n })
}

/// Reads a clear hold.
pub fn parse_clear(text: &str) -> Result<Clear, NotationError> {
    let error = || NotationError {
        reason: format!("{text:?} is not C and a count of 1 to {MAX_WINDOW} or seconds"),
        example: CLEAR_EXAMPLE,
    };
    let body = text.trim().strip_prefix('C').ok_or_else(error)?;
    match (seconds(body), count(body)) {
        (Some(span), _) => Ok(Clear::For(span)),
        (None, Some(n)) => Ok(Clear::Count(n)),
        (None, None) => Err(error()),
    }
}

fn count(text: &str) -> Option<u8> {
    text.parse().ok().filter(|n| (1..=MAX_WINDOW as u8).contains(n))
}

fn seconds(text: &str) -> Option<Span> {
    let seconds: u32 = text.strip_suffix('s')?.parse().ok()?;
    (1..=86_400).contains(&seconds).then(|| Span::from_secs(i64::from(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_read_or_say_why_not() {
        for (text, n_levels) in [
            ("H1", 5),
            ("H3/5", 5),
            ("H30s", 5),
            ("H3/60s", 5),
            ("EV", 5),
            ("EV, H3/10", 10),
            ("major H1 -> critical@major H2/10", 2),
            ("minor H2", 1),
        ] {
            assert_eq!(parse_hold(text).map(|hold| hold.0.len()), Ok(n_levels), "{text}");
        }
        for text in ["", "H", "H0", "H33", "3", "H5/3", "H2/x", "fatal H2", "minor -> major H2", "H0s", "ev"] {
            assert!(parse_hold(text).unwrap_err().to_string().contains("example"), "{text}");
        }
    }

    #[test]
    fn clears_read_or_say_why_not() {
        assert_eq!(parse_clear("C2"), Ok(Clear::Count(2)));
        assert_eq!(parse_clear("C60s"), Ok(Clear::For(Span::from_secs(60))));
        for text in ["", "C", "C0", "C100", "H2", "C1.5s"] {
            assert!(parse_clear(text).is_err(), "{text}");
        }
    }
}
