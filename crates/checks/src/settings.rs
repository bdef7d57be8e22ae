//! The catalogue's defaults with a channel's overrides put over them.

use ow_domain::policy::{CheckOverride, CheckSettings, TagRule};
use ow_domain::{Severity, Span};
use regex::{Regex, RegexBuilder};

use crate::hold::{Clear, Hold, Level, Rules};
use crate::notation::{parse_clear, parse_hold};
use crate::registry::{self, CheckDef};

/// One check as it is in force.
#[derive(Debug, Clone)]
pub(crate) struct InForce {
    pub enabled: bool,
    /// Replaces the severity of every finding.
    pub severity: Option<Severity>,
    pub hold: Hold,
    pub clear: Clear,
    /// In the order of the check's parameters.
    pub params: Vec<f64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// In the order of [`registry::all`].
    pub checks: Vec<InForce>,
    pub event_ttl: Span,
    pub startup_grace: Span,
    pub tag_rules: Vec<TagRuleInForce>,
}

/// A rule about a tag; one whose expression cannot be read keeps the rest of what it says.
#[derive(Debug, Clone)]
pub struct TagRuleInForce {
    pub rule: TagRule,
    pub value: Option<Regex>,
}

/// Rules of one channel.
const MAX_TAG_RULES: usize = 16;
/// Bytes of a compiled expression: the time to match grows with it and with the line, never faster.
const MAX_EXPRESSION_BYTES: usize = 256 << 10;

fn expression(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).size_limit(MAX_EXPRESSION_BYTES).dfa_size_limit(MAX_EXPRESSION_BYTES).build()
}

impl Settings {
    pub fn new(settings: &CheckSettings) -> Self {
        let seconds = |value: Option<f64>, default: f64| {
            Span::from_secs_f64(value.filter(|v| v.is_finite() && *v >= 0.0).unwrap_or(default))
        };
        Self {
            checks: registry::all().iter().map(|check| in_force(check, settings.overrides.get(check.id))).collect(),
            event_ttl: seconds(settings.event_ttl_s, 300.0),
            startup_grace: seconds(settings.startup_grace_s, 30.0),
            tag_rules: settings
                .tag_rules
                .iter()
                .take(MAX_TAG_RULES)
                .map(|rule| TagRuleInForce {
                    rule: rule.clone(),
                    value: rule.value.as_deref().and_then(|text| expression(text).ok()),
                })
                .collect(),
        }
    }

    pub fn rules(&self, index: usize) -> Rules<'_> {
        let check = &self.checks[index];
        Rules { hold: &check.hold, clear: check.clear, event_ttl: self.event_ttl }
    }
}

/// An override that cannot be read is ignored here: [`validate_overrides`] told whoever wrote it.
fn in_force(check: &CheckDef, change: Option<&CheckOverride>) -> InForce {
    let default = CheckOverride::default();
    let change = change.unwrap_or(&default);
    let mut hold = change
        .hold
        .as_deref()
        .and_then(|text| parse_hold(text).ok())
        .or_else(|| parse_hold(check.hold).ok())
        .unwrap_or_else(|| Hold(Vec::new()));
    if let Some(severity) = change.severity {
        hold = Hold(hold.0.into_iter().map(|l| Level { from: severity, raise: severity, rule: l.rule }).collect());
    }
    let clear = change.clear.as_deref().and_then(|text| parse_clear(text).ok());
    InForce {
        enabled: change.enabled.unwrap_or(true),
        severity: change.severity,
        hold,
        clear: clear.or_else(|| parse_clear(check.clear).ok()).unwrap_or(Clear::Count(1)),
        params: check
            .params
            .iter()
            .map(|p| change.params.get(p.name).copied().filter(|v| v.is_finite()).unwrap_or(p.default))
            .collect(),
    }
}

/// What is wrong with one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingProblem {
    /// Path below the check settings: `overrides.hls-playlist-stale.params.slack`.
    pub field: String,
    pub value: String,
    /// Why it is refused, with a valid example.
    pub reason: String,
}

/// Everything that is wrong with the settings of a channel or template, all at once.
pub fn validate_overrides(settings: &CheckSettings) -> Vec<SettingProblem> {
    let mut problems = Vec::new();
    let mut problem = |field: String, value: String, reason: String| {
        problems.push(SettingProblem { field, value, reason });
    };
    for (id, change) in &settings.overrides {
        let field = |rest: &str| format!("overrides.{id}{rest}");
        let Some(check) = registry::find(id) else {
            problem(field(""), id.clone(), format!("there is no check of this name; {}", nearest(id)));
            continue;
        };
        if let Some(severity) = change.severity
            && matches!(severity, Severity::Cleared | Severity::Indeterminate)
        {
            let reason = "a finding is info, warning, minor, major or critical; example: \"minor\"";
            problem(field(".severity"), severity.to_string(), reason.into());
        }
        if let Some(Err(error)) = change.hold.as_deref().map(parse_hold) {
            problem(field(".hold"), change.hold.clone().unwrap_or_default(), error.to_string());
        }
        if let Some(Err(error)) = change.clear.as_deref().map(parse_clear) {
            problem(field(".clear"), change.clear.clone().unwrap_or_default(), error.to_string());
        }
        for (name, value) in &change.params {
            let at = field(&format!(".params.{name}"));
            match check.params.iter().find(|p| p.name == name) {
                None if check.params.is_empty() => {
                    problem(at, value.to_string(), format!("{id} has no parameters"));
                }
                None => {
                    let known: Vec<String> =
                        check.params.iter().map(|p| format!("{} (default {})", p.name, p.default)).collect();
                    problem(at, value.to_string(), format!("{id} has no such parameter; it has {}", known.join(", ")));
                }
                Some(p) if !value.is_finite() || *value < 0.0 => {
                    let reason = format!("it is a number of {} from 0 on; example: {}", p.unit, p.default);
                    problem(at, value.to_string(), reason);
                }
                Some(_) => {}
            }
        }
    }
    for (n, rule) in settings.tag_rules.iter().enumerate() {
        let field = |rest: &str| format!("tag_rules.{n}.{rest}");
        if n == MAX_TAG_RULES {
            problem("tag_rules".into(), settings.tag_rules.len().to_string(), format!("at most {MAX_TAG_RULES} rules"));
        }
        if !rule.tag.starts_with("EXT")
            || !rule.tag.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-')
        {
            problem(field("tag"), rule.tag.clone(), "it is a tag without #; example: \"EXT-X-CUE-OUT\"".into());
        }
        if let Some(Err(_)) = rule.value.as_deref().map(expression) {
            let reason = "it is no regular expression, or too large; example: \"DURATION=[0-9.]+\"";
            problem(field("value"), rule.value.clone().unwrap_or_default(), reason.into());
        }
        if let Some(every) = rule.every_s.filter(|s| !s.is_finite() || *s <= 0.0) {
            problem(field("everyS"), every.to_string(), "it is a number of seconds above 0; example: 600".into());
        }
        if rule.expect.is_none() && rule.value.is_none() && rule.every_s.is_none() {
            problem(
                field("expect"),
                "nothing".into(),
                "a rule has expect, value or everyS; example: \"present\"".into(),
            );
        }
    }
    let numbers = [
        ("latency_max_s", settings.latency_max_s, "36"),
        ("startup_grace_s", settings.startup_grace_s, "30"),
        ("event_ttl_s", settings.event_ttl_s, "300"),
    ];
    for (name, value, example) in numbers {
        if let Some(value) = value
            && (!value.is_finite() || value < 0.0)
        {
            let reason = format!("it is a number of seconds from 0 on; example: {example}");
            problem(name.into(), value.to_string(), reason);
        }
    }
    problems
}

/// The check whose id begins most like a wrong one, as an example.
fn nearest(id: &str) -> String {
    let shared = |check: &CheckDef| check.id.bytes().zip(id.bytes()).take_while(|(a, b)| a == b).count();
    let best = registry::all().iter().max_by_key(|check| shared(check));
    format!("example: {:?}", best.map_or("hls-playlist-stale", |check| check.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_reported_with_an_example() {
        let text = r#"{"overrides": {
            "hls-playlist-stal": {},
            "hls-playlist-stale": {"hold": "3", "clear": "x", "severity": "cleared", "params": {"slack": 1, "stale_slack_s": -1}}
        }, "startup_grace_s": -1}"#;
        let problems = validate_overrides(&serde_json::from_str(text).unwrap());
        let fields: Vec<&str> = problems.iter().map(|p| p.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "overrides.hls-playlist-stal",
                "overrides.hls-playlist-stale.severity",
                "overrides.hls-playlist-stale.hold",
                "overrides.hls-playlist-stale.clear",
                "overrides.hls-playlist-stale.params.slack",
                "overrides.hls-playlist-stale.params.stale_slack_s",
                "startup_grace_s",
            ]
        );
        assert!(problems[0].reason.contains("hls-playlist-stale"), "{}", problems[0].reason);
        assert!(problems[4].reason.contains("stale_slack_s"), "{}", problems[4].reason);
        assert!(problems.iter().all(|p| p.reason.contains("example") || p.reason.contains("default")));
        assert!(validate_overrides(&CheckSettings::default()).is_empty());
    }
}
