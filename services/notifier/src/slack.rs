//! Slack: what a message says ([`render`], pure). Sending is in [`crate::slack_api`].
//!
//! Bot mode keeps one message per incident and edits it in place; its thread has the timeline. Edits ping nobody, so
//! what people must hear (it got worse) is also sent to the channel by a broadcast reply.

use ow_domain::Severity;
use ow_domain::incident::{ChangeKind, Notice};
use ow_domain::receiver::SlackSpec;
use serde_json::{Value, json};

use crate::text::{self, Words, deep_link, duration, one_line, told_severity};

/// Slack refuses sections above 3,000 characters and headers above 150.
const SECTION: usize = 2_800;
const HEADER: usize = 140;

/// Messages of one notice.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// Body of the incident's own message, without `channel` and `ts`.
    pub root: Value,
    /// Reply in its thread, without `channel` and `thread_ts`; `None` at the raise.
    pub reply: Option<Value>,
}

/// The messages for a notice.
pub fn render(notice: &Notice, spec: &SlackSpec, public_url: &str) -> Rendered {
    let words = Words::of(spec.language);
    let root = root(notice, words, &deep_link(public_url, notice));
    let reply = (notice.change != ChangeKind::Raise).then(|| reply(notice, words));
    Rendered { root, reply }
}

fn root(notice: &Notice, words: &Words, link: &str) -> Value {
    let clear = notice.change == ChangeKind::Clear;
    let shown = if clear { Severity::Cleared } else { notice.severity };
    let state = if clear { words.resolved } else { words.severity_name(notice.severity) };
    let header = one_line(&format!("{} {state} {}", text::glyph(shown), notice.channel_name), HEADER);
    let mut what = format!("*{}*", escape(&notice.title));
    if !notice.message.is_empty() {
        what.push('\n');
        what.push_str(&escape(&notice.message));
    }
    let mut fields = Vec::new();
    let mut field = |label: &str, value: &str| {
        // Slack takes 10 fields.
        if !value.is_empty() && fields.len() < 10 {
            fields.push(json!({"type": "mrkdwn", "text": format!("*{label}*\n{}", escape(&one_line(value, 500)))}));
        }
    };
    field(words.severity, words.severity_name(told_severity(notice)));
    field(words.since, &slack_date(notice.raised_at));
    if clear {
        let over = notice.cleared_at.unwrap_or(notice.at);
        field(words.duration, &duration(over.since(notice.raised_at)));
    } else {
        field(words.measured, &notice.value);
        field(words.limit, &notice.limit);
    }
    field(words.subject, &notice.subject.to_string());
    field(words.in_hand, notice.ack.as_ref().filter(|_| !clear).map_or("", |ack| ack.by.as_str()));
    field(words.packager, notice.packager.as_deref().unwrap_or_default());
    field(words.region, notice.region.as_deref().unwrap_or_default());
    field(words.probe, notice.probe.as_ref().map_or("", |p| p.as_str()));
    let mut blocks = vec![
        json!({"type": "header", "text": {"type": "plain_text", "text": header, "emoji": false}}),
        json!({"type": "section", "text": {"type": "mrkdwn", "text": one_section(&what)}}),
        json!({"type": "section", "fields": fields}),
    ];
    let mut links = Vec::new();
    if !link.is_empty() {
        links.push(format!("<{link}|{}>", words.open));
    }
    if let Some(runbook) = notice.runbook.as_deref().filter(|r| r.starts_with("https://") || r.starts_with("http://")) {
        links.push(format!("<{}|{}>", escape(runbook).replace('|', "%7C"), words.runbook));
    }
    if !links.is_empty() {
        blocks.push(json!({"type": "section", "text": {"type": "mrkdwn", "text": links.join("   ")}}));
    }
    let context = format!("{} · {} · rev {}", notice.number, escape(&notice.check), notice.revision);
    blocks.push(json!({"type": "context", "elements": [{"type": "mrkdwn", "text": context}]}));
    json!({
        "text": fallback(notice, words),
        "blocks": blocks,
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

/// What phones and screen readers show: `CRITICAL VTV3 HD: HLS playlist stale 24.3 s`.
fn fallback(notice: &Notice, words: &Words) -> String {
    let tail = if notice.change == ChangeKind::Clear { "" } else { notice.value.as_str() };
    let head = match notice.change {
        ChangeKind::Clear => words.resolved,
        ChangeKind::Raise | ChangeKind::Update => words.severity_name(notice.severity),
    };
    escape(&one_line(&format!("{head} {}: {} {tail}", notice.channel_name, notice.title), 1000))
}

fn reply(notice: &Notice, words: &Words) -> Value {
    let now = words.severity_name(notice.severity);
    let (line, broadcast) = match (notice.change, notice.previous_severity) {
        (ChangeKind::Raise | ChangeKind::Update, None) if notice.operation.is_some() => {
            (words.operation(notice).unwrap_or_default(), false)
        }
        (ChangeKind::Clear, _) => {
            let over = notice.cleared_at.unwrap_or(notice.at);
            let reason =
                notice.clear_reason.as_deref().map(|r| format!(" ({})", words.clear_reason(r))).unwrap_or_default();
            let text = format!(
                "{} {} {} {}{reason}",
                text::glyph(Severity::Cleared),
                words.resolved,
                words.after,
                duration(over.since(notice.raised_at))
            );
            (text, false)
        }
        (_, Some(before)) if notice.severity > before => {
            let was = words.severity_name(before);
            (format!("{} {}: {was} → {now}", text::glyph(notice.severity), words.worse), true)
        }
        (_, Some(before)) if notice.severity < before => {
            let was = words.severity_name(before);
            (format!("{} {}: {was} → {now}", text::glyph(notice.severity), words.eased), false)
        }
        _ => (format!("{}: {}", words.changed, notice.message), false),
    };
    // A reply that goes to the channel stands without its root beside it.
    let line = if broadcast { format!("{line} — {}: {}", notice.channel_name, notice.title) } else { line };
    json!({"text": escape(&one_line(&line, 1000)), "reply_broadcast": broadcast, "unfurl_links": false})
}

/// `2026-11-22 09:41:07 UTC`: no date token, since NOC and vendor must read the same.
fn slack_date(time: ow_domain::Time) -> String {
    text::utc(time)
}

fn one_section(text: &str) -> String {
    let mut text = text.to_owned();
    if text.len() > SECTION {
        let mut end = SECTION;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The three characters that Slack gives a meaning to.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use ow_domain::receiver::{Language, ReceiverSpec};

    fn spec() -> SlackSpec {
        let json = json!({"type": "slack", "token_file": "env:T", "channel": "C1"});
        match ReceiverSpec::from_json(&json).unwrap() {
            ReceiverSpec::Slack(spec) => spec,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn raise_update_and_clear() {
        let mut spec = spec();
        let show = |r: Rendered| serde_json::to_string_pretty(&json!({"root": r.root, "reply": r.reply})).unwrap();
        let url = "https://ott.example";
        insta::assert_snapshot!("slack_raise", show(render(&sample::raise(), &spec, url)));
        insta::assert_snapshot!("slack_update", show(render(&sample::update(), &spec, url)));
        insta::assert_snapshot!("slack_clear", show(render(&sample::clear(), &spec, url)));
        insta::assert_snapshot!("slack_ack", show(render(&sample::acked(), &spec, url)));
        spec.language = Language::Vi;
        insta::assert_snapshot!("slack_update_vi", show(render(&sample::update(), &spec, url)));
    }

    #[test]
    fn texts_cannot_mention_or_link_by_themselves() {
        let mut notice = sample::raise();
        notice.message = "<!channel> <https://evil.example|click> ".repeat(200);
        let body = render(&notice, &spec(), "").root.to_string();
        assert!(!body.contains("<!channel>") && !body.contains("<https://evil"));
        let blocks = render(&notice, &spec(), "").root["blocks"].clone();
        assert!(blocks[1]["text"]["text"].as_str().unwrap().len() < 3000);
    }
}
