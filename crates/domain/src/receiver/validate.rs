//! What can be wrong with the settings of a receiver.

use super::{
    DEFAULT_BASE_OID, EmailSpec, Problem, ReceiverSpec, SecretRef, SlackMode, SlackSpec, SnmpSpec, SnmpVersion,
    WebhookSpec,
};
use crate::Severity;

impl ReceiverSpec {
    /// All that is wrong with it, as far as it can be seen without the network and without reading secrets.
    pub fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let p = &mut problems;
        match self {
            Self::Snmp(s) => validate_snmp(s, p),
            Self::Email(s) => validate_email(s, p),
            Self::Slack(s) => validate_slack(s, p),
            Self::Webhook(s) => validate_webhook(s, p),
        }
        let min = self.min_severity();
        if matches!(min, Severity::Cleared | Severity::Info) {
            p.push(problem("min_severity", min.as_str(), "is no severity of an alarm", "warning"));
        }
        problems
    }
}

pub(super) fn problem(field: &str, value: &str, reason: impl Into<String>, example: &str) -> Problem {
    Problem {
        field: field.to_owned(),
        value: value.chars().take(120).collect(),
        reason: reason.into(),
        example: example.to_owned(),
    }
}

fn validate_snmp(s: &SnmpSpec, p: &mut Vec<Problem>) {
    if !is_host_port(&s.target) {
        p.push(problem("target", &s.target, "is not host:port", "nms.example.net:162"));
    }
    for (field, oid) in [("base_oid", Some(&s.base_oid)), ("also_base_oid", s.also_base_oid.as_ref())] {
        if let Some(oid) = oid
            && !is_oid(oid)
        {
            p.push(problem(field, oid, "is not an object identifier of 4 to 40 numbers", DEFAULT_BASE_OID));
        }
    }
    if !(1..=1000).contains(&s.per_second) {
        p.push(problem("per_second", &s.per_second.to_string(), "is not between 1 and 1000", "100"));
    }
    if s.heartbeat_seconds != 0 && s.heartbeat_seconds < 5 {
        p.push(problem("heartbeat_seconds", &s.heartbeat_seconds.to_string(), "is less than 5 (0 is off)", "60"));
    }
    check_secret(p, "community_file", s.community_file.as_ref(), "/run/secrets/snmp-community");
    check_secret(p, "auth_password_file", s.auth_password_file.as_ref(), "/run/secrets/snmp-auth");
    check_secret(p, "privacy_password_file", s.privacy_password_file.as_ref(), "/run/secrets/snmp-priv");
    match s.version {
        SnmpVersion::V2c => {
            let v3_only = [
                ("user", s.user.is_some()),
                ("auth", s.auth.is_some()),
                ("auth_password_file", s.auth_password_file.is_some()),
                ("privacy", s.privacy.is_some()),
                ("privacy_password_file", s.privacy_password_file.is_some()),
            ];
            for (field, set) in v3_only {
                if set {
                    p.push(problem(field, "set", "has a meaning for v3 only", "version: v3"));
                }
            }
        }
        SnmpVersion::V3 => {
            let user = s.user.as_deref().unwrap_or_default();
            if user.is_empty() || user.len() > 32 {
                p.push(problem("user", user, "must have 1 to 32 characters for v3", "ottwatch"));
            }
            if s.community_file.is_some() {
                p.push(problem("community_file", "set", "has a meaning for v2c only", "user: ottwatch"));
            }
            if s.auth.is_some() != s.auth_password_file.is_some() {
                p.push(problem(
                    if s.auth.is_some() { "auth_password_file" } else { "auth" },
                    "",
                    "is missing: protocol and password belong together",
                    "auth: SHA256, auth_password_file: /run/secrets/snmp-auth",
                ));
            }
            if s.privacy.is_some() != s.privacy_password_file.is_some() {
                p.push(problem(
                    if s.privacy.is_some() { "privacy_password_file" } else { "privacy" },
                    "",
                    "is missing: protocol and password belong together",
                    "privacy: AES128, privacy_password_file: /run/secrets/snmp-priv",
                ));
            }
            if s.privacy.is_some() && s.auth.is_none() {
                p.push(problem("auth", "", "is missing: privacy needs authentication (RFC 3414)", "auth: SHA256"));
            }
        }
    }
}

fn validate_email(s: &EmailSpec, p: &mut Vec<Problem>) {
    if !is_host(&s.host) {
        p.push(problem("host", &s.host, "is not a host name or address", "smtp.example.net"));
    }
    if s.port == Some(0) {
        p.push(problem("port", "0", "is not a port", "587"));
    }
    let address = "NOC alarms <ottwatch@example.net>";
    if !is_mailbox(&s.from) {
        p.push(problem("from", &s.from, "is not a mail address", address));
    }
    if s.to.is_empty() {
        p.push(problem("to", "[]", "has no address", "[noc@example.net]"));
    }
    if s.to.len() > 50 {
        p.push(problem("to", &format!("{} addresses", s.to.len()), "has more than 50; use a list address", "1"));
    }
    for (n, to) in s.to.iter().enumerate() {
        if !is_mailbox(to) {
            p.push(problem(&format!("to[{n}]"), to, "is not a mail address", "noc@example.net"));
        }
    }
    if let Some(reply_to) = &s.reply_to
        && !is_mailbox(reply_to)
    {
        p.push(problem("reply_to", reply_to, "is not a mail address", "noc@example.net"));
    }
    if s.username.is_some() != s.password_file.is_some() {
        p.push(problem(
            if s.username.is_some() { "password_file" } else { "username" },
            "",
            "is missing: user name and password belong together",
            "username: ottwatch, password_file: /run/secrets/smtp",
        ));
    }
    check_secret(p, "password_file", s.password_file.as_ref(), "/run/secrets/smtp");
    if let Some(list_id) = &s.list_id
        && (list_id.is_empty() || list_id.len() > 200 || !list_id.chars().all(|c| c.is_ascii_graphic() || c == ' '))
    {
        p.push(problem("list_id", list_id, "is not 1 to 200 ASCII characters", "<noc.ottwatch.example.net>"));
    }
}

fn validate_slack(s: &SlackSpec, p: &mut Vec<Problem>) {
    check_secret(p, "token_file", s.token_file.as_ref(), "/run/secrets/slack-token");
    check_secret(p, "webhook_url_file", s.webhook_url_file.as_ref(), "/run/secrets/slack-webhook-url");
    match s.mode {
        SlackMode::Bot => {
            if s.token_file.is_none() {
                p.push(problem("token_file", "", "is missing: bot mode needs a token", "/run/secrets/slack-token"));
            }
            let channel = s.channel.as_deref().unwrap_or_default();
            if channel.is_empty() || channel.len() > 100 || channel.contains(char::is_whitespace) {
                p.push(problem("channel", channel, "is not a channel id or #name", "C0123456789"));
            }
            if s.webhook_url_file.is_some() {
                p.push(problem("webhook_url_file", "set", "has a meaning in webhook mode only", "mode: webhook"));
            }
            if !is_http_url(&s.api_url) {
                p.push(problem("api_url", &s.api_url, "is not an http(s) URL", "https://slack.com/api"));
            }
        }
        SlackMode::Webhook => {
            if s.webhook_url_file.is_none() {
                p.push(problem(
                    "webhook_url_file",
                    "",
                    "is missing: webhook mode needs the URL (kept as a secret)",
                    "/run/secrets/slack-webhook-url",
                ));
            }
            for (field, set) in [("token_file", s.token_file.is_some()), ("channel", s.channel.is_some())] {
                if set {
                    p.push(problem(field, "set", "has a meaning in bot mode only", "mode: bot"));
                }
            }
        }
    }
}

fn validate_webhook(s: &WebhookSpec, p: &mut Vec<Problem>) {
    if !is_http_url(&s.url) {
        p.push(problem(
            "url",
            &s.url,
            "is not an http(s) URL without user and password",
            "https://hooks.example.net/ottwatch",
        ));
    }
    check_secret(p, "secret_file", s.secret_file.as_ref(), "/run/secrets/webhook");
    if s.headers.len() > 20 {
        p.push(problem("headers", &format!("{} headers", s.headers.len()), "are more than 20", "X-Tenant: noc"));
    }
    for (name, value) in &s.headers {
        let token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let lower = name.to_ascii_lowercase();
        if name.is_empty() || !name.chars().all(token) || value.contains(['\r', '\n', '\0']) {
            p.push(problem(&format!("headers.{name}"), "", "is not a header", "X-Tenant: noc"));
        } else if lower.starts_with("webhook-") || ["host", "content-length", "content-type"].contains(&lower.as_str())
        {
            p.push(problem(&format!("headers.{name}"), "", "is set by ottwatch itself", "X-Tenant: noc"));
        }
    }
}

fn check_secret(p: &mut Vec<Problem>, field: &str, secret: Option<&SecretRef>, example: &str) {
    let Some(secret) = secret.filter(|secret| !secret.is_value() && secret.0 != "(hidden)") else { return };
    let reason = match secret.env_name() {
        Some(name)
            if name.is_empty()
                || name.starts_with(|c: char| c.is_ascii_digit())
                || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') =>
        {
            "names no environment variable"
        }
        None if !secret.0.starts_with('/') || secret.0.contains(['\n', '\0']) => {
            "is neither an absolute path nor env:NAME nor value:SECRET"
        }
        _ => return,
    };
    // Somebody may have put the secret itself here: it is not repeated.
    let shown = if secret.env_name().is_some() { secret.0.as_str() } else { "[not shown]" };
    p.push(problem(field, shown, reason, &format!("{example} or env:OTTWATCH_SECRET")));
}

fn is_host(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    if inner.parse::<std::net::IpAddr>().is_ok() {
        return true;
    }
    !text.is_empty()
        && text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
}

fn is_host_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let v6_without_brackets = host.contains(':') && !host.starts_with('[');
    is_host(host) && !v6_without_brackets && port.parse::<u16>().is_ok_and(|p| p != 0)
}

/// Dotted numbers below 2^32, 4 to 40 of them, starting at 0, 1 or 2, without a leading dot.
pub fn is_oid(text: &str) -> bool {
    let arcs: Option<Vec<u32>> = text
        .split('.')
        .take(41)
        .map(|arc| arc.parse().ok().filter(|_| arc.bytes().all(|b| b.is_ascii_digit())))
        .collect();
    arcs.is_some_and(|a| (4..=40).contains(&a.len()) && a[0] <= 2 && (a[0] == 2 || a[1] < 40))
}

fn is_http_url(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            if port.parse::<u16>().is_err() {
                return false;
            }
            host
        }
        _ => authority,
    };
    is_host(host) && text.len() <= 2048 && text.chars().all(|c| c.is_ascii_graphic())
}

/// `local@domain` or `Name <local@domain>`.
fn is_mailbox(text: &str) -> bool {
    let address = match text.split_once('<') {
        Some((_, rest)) => match rest.trim_end().strip_suffix('>') {
            Some(address) => address,
            None => return false,
        },
        None => text,
    };
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    !local.is_empty()
        && local.len() <= 64
        && !local.contains(|c: char| c.is_whitespace() || c.is_control() || "<>(),;:\"@".contains(c))
        && is_host(domain)
        && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receiver::{Secret, SnmpMode};
    use serde_json::{Value, json};

    fn check(spec: Value, wrong: &[&str]) {
        let fields = match ReceiverSpec::from_json(&spec) {
            Ok(ok) => {
                let again = serde_json::to_value(&ok).unwrap();
                assert_eq!(ReceiverSpec::from_json(&again).unwrap(), ok, "{spec}");
                Vec::new()
            }
            Err(problems) => {
                assert!(problems.iter().all(|p| !p.reason.is_empty() && !p.example.is_empty()));
                problems.into_iter().map(|p| p.field).collect::<Vec<_>>()
            }
        };
        assert_eq!(fields, wrong, "{spec}");
    }

    #[test]
    fn specs_are_read_and_every_problem_is_named() {
        check(json!({"type": "snmp", "target": "nms:162"}), &[]);
        check(json!({"type": "snmp", "target": "[::1]:162", "version": "v2c", "mode": "inform"}), &[]);
        check(
            json!({"type": "snmp", "target": "nms", "base_oid": "1.2.x", "per_second": 0}),
            &["target", "base_oid", "per_second"],
        );
        check(json!({"type": "snmp", "target": "nms:162", "user": "u"}), &["user"]);
        check(
            json!({"type": "snmp", "target": "nms:162", "version": "v3", "user": "ow", "auth": "SHA256",
                "auth_password_file": "env:A", "privacy": "AES128", "privacy_password_file": "/run/p"}),
            &[],
        );
        check(
            json!({"type": "snmp", "target": "nms:162", "version": "v3", "privacy": "AES128"}),
            &["user", "privacy_password_file", "auth"],
        );
        check(json!({"type": "snmp", "target": "nms:162", "colour": 1}), &["spec"]);
        check(json!({"type": "pager"}), &["spec"]);
        check(json!({"target": "nms:162"}), &["spec"]);
        check(json!({"type": "email", "host": "mx", "from": "NOC <a@b.net>", "to": ["c@d.net"]}), &[]);
        check(
            json!({"type": "email", "host": "m x", "from": "a", "to": ["c@d.net", "x"], "username": "u",
                "min_severity": "info"}),
            &["host", "from", "to[1]", "password_file", "min_severity"],
        );
        check(json!({"type": "email", "host": "mx", "from": "a@b\r\nBcc: x@y", "to": []}), &["from", "to"]);
        check(json!({"type": "slack", "token_file": "env:SLACK", "channel": "C1"}), &[]);
        check(json!({"type": "slack", "mode": "webhook", "webhook_url_file": "/run/u"}), &[]);
        check(json!({"type": "slack", "mode": "webhook", "channel": "C1"}), &["webhook_url_file", "channel"]);
        check(json!({"type": "slack"}), &["token_file", "channel"]);
        check(json!({"type": "webhook", "url": "https://h.example/x?y=1", "secret_file": "env:S"}), &[]);
        check(json!({"type": "webhook", "url": "http://[::1]:8080/x"}), &[]);
        check(
            json!({"type": "webhook", "url": "https://u:p@h/x", "headers": {"webhook-id": "1"}}),
            &["url", "headers.webhook-id"],
        );
        check(json!({"type": "webhook", "url": "ftp://h/x", "secret_file": "env:1"}), &["url", "secret_file"]);
    }

    #[test]
    fn a_secret_put_in_by_mistake_is_not_repeated() {
        let spec = json!({"type": "slack", "token_file": "xoxb-very-secret", "channel": "C1"});
        let problems = ReceiverSpec::from_json(&spec).unwrap_err();
        assert_eq!(problems[0].field, "token_file");
        assert!(!format!("{problems:?} {}", problems[0]).contains("very-secret"));
        assert_eq!(format!("{:?}", Secret::new("xoxb")), "[secret]");
    }

    #[test]
    fn defaults_follow_the_version_and_the_security() {
        let snmp = |text: &str| match serde_json::from_str(text).unwrap() {
            ReceiverSpec::Snmp(s) => s,
            other => panic!("{other:?}"),
        };
        let v2c = snmp(r#"{"type":"snmp","target":"a:1"}"#);
        assert_eq!((v2c.effective_mode(), v2c.per_second, v2c.heartbeat_seconds), (SnmpMode::Trap, 100, 60));
        assert_eq!(v2c.base_oid, DEFAULT_BASE_OID);
        assert_eq!(
            snmp(r#"{"type":"snmp","target":"a:1","version":"v3","user":"u"}"#).effective_mode(),
            SnmpMode::Inform
        );
    }
}
