use ow_domain::policy::TagExpect;
use ow_domain::{Severity, Span};

use super::rendition;
use crate::input::{PlaylistStep, TagRuleInForce};
use crate::outcome::{Outcome, seconds};
use crate::registry::op;

crate::check! {
    /// Detects:       A media playlist against what the operator wants of a tag: there or not there, its value, how often it comes.
    /// Matters:       Downstream systems (ad insertion, recording, captions) rest on tags that no standard demands.
    /// Usual causes:  A packager profile that was changed, an update that writes a tag otherwise, a cue source that fell silent.
    /// Stays quiet:   Without rules in the template, for one playlist, and for playlists that are unchanged.
    id: "hls-custom-tag-rule", title: "Playlist breaks a rule of the operator", severity: Warning, hold: "H2", clear: "C2",
    since: "0.2", spec: [op()], input: PlaylistStep, scope: Track, params: {},
}

/// What can be wrong: each is an alarm of its own.
const REASONS: [&str; 4] = ["missing", "forbidden", "value", "rhythm"];

fn run(input: &PlaylistStep<'_>, _: &Params, out: &mut Outcome) {
    let Some(body) = input.capture.body.as_ref().filter(|_| input.step.is_accepted() && !input.tag_rules.is_empty())
    else {
        return;
    };
    for reason in REASONS {
        let broken = input.tag_rules.iter().find_map(|rule| Some((rule, broken(rule, reason, &body.text, input)?)));
        let Some((rule, Broken { value, limit, line })) = broken else {
            out.pass().reason(reason);
            continue;
        };
        let name: String = rule.rule.name.chars().take(40).collect();
        let message = format!("rule {name}: {} has {value}; {limit} expected", rendition(input));
        let severity = rule.rule.severity.unwrap_or(Severity::Warning);
        out.fail(severity, value, limit, message).reason(reason).line(line).fact("rule", name);
    }
}

struct Broken {
    value: String,
    limit: String,
    line: u32,
}

fn broken(rule: &TagRuleInForce, reason: &str, text: &str, input: &PlaylistStep<'_>) -> Option<Broken> {
    let tag: String = rule.rule.tag.chars().take(64).collect();
    let is_it = |line: &str| line.strip_prefix('#').and_then(|l| l.strip_prefix(&*tag)).is_some_and(ends);
    let mut lines = text.lines().zip(1_u32..).filter(|(line, _)| is_it(line));
    match reason {
        "missing" if rule.rule.expect == Some(TagExpect::Present) && lines.next().is_none() => {
            Some(Broken { value: format!("no {tag}"), limit: tag, line: 0 })
        }
        "forbidden" if rule.rule.expect == Some(TagExpect::Absent) => {
            let (_, line) = lines.next()?;
            Some(Broken { value: tag.clone(), limit: format!("no {tag}"), line })
        }
        "value" => {
            let expression = rule.value.as_ref()?;
            let (found, line) = lines.find(|(line, _)| !expression.is_match(line))?;
            let shown = |text: &str| text.chars().take(60).collect::<String>();
            Some(Broken { value: shown(found), limit: format!("a match of {}", shown(expression.as_str())), line })
        }
        "rhythm" => {
            let every = Span::from_secs_f64(rule.rule.every_s?);
            let silent = input.step.t_end - input.tags.listed_at(&rule.rule.tag)?;
            (silent > every).then(|| Broken {
                value: format!("no {tag} for {}", seconds(silent)),
                limit: format!("one in {}", seconds(every)),
                line: 0,
            })
        }
        _ => None,
    }
}

/// The name of the tag is over.
fn ends(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(':') || rest.starts_with(' ')
}
