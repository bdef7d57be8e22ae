//! E-mail: what a message says ([`render`], pure) and how it leaves ([`Mailer`]).
//!
//! One thread per incident: the subject never changes, the first message's id is the root of all later ones
//! (`In-Reply-To`, `References`), and ids are derived, so that a message sent twice has one id.

use std::fmt::Write as _;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart};
use lettre::transport::smtp::AsyncSmtpTransport;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncTransport, Tokio1Executor};
use ow_domain::incident::{ChangeKind, Notice};
use ow_domain::receiver::{EmailSpec, EmailTls, Secret};
use ow_domain::{ReceiverId, Time};

use crate::error::{FailureKind, SendError, chain};
use crate::secret::{Env, read_pem, resolve};
use crate::text::{self, Words, deep_link, duration, one_line, told_severity, utc};

/// A whole conversation with the server.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A message without a transport's types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// With its angle brackets: `<inc-1042.2.noc@example.net>`.
    pub message_id: String,
    /// The first message of the incident at this receiver, if this is not it.
    pub root: Option<String>,
    pub subject: String,
    /// Name and value; ASCII.
    pub headers: Vec<(&'static str, String)>,
    pub text: String,
    pub html: String,
    pub date: Time,
}

/// The message about a notice. `root`: id of the first message of this incident at this receiver.
pub fn render(
    notice: &Notice,
    receiver: &ReceiverId,
    spec: &EmailSpec,
    public_url: &str,
    root: Option<&str>,
) -> Rendered {
    let words = Words::of(spec.language);
    let domain = domain_of(&spec.from);
    let message_id = format!("<inc-{}.{}.{receiver}@{domain}>", notice.number.0, notice.revision);
    let stable = format!("[ottwatch] {}: {} ({})", notice.channel_name, notice.title, notice.number);
    let severity = told_severity(notice);
    let subject = match notice.change {
        _ if !spec.severity_in_subject => stable,
        ChangeKind::Clear => format!("{} {stable}", words.resolved),
        ChangeKind::Raise | ChangeKind::Update => format!("{} {stable}", words.severity_name(severity)),
    };
    let list_id = spec.list_id.clone().unwrap_or_else(|| format!("<{receiver}.ottwatch.{domain}>"));
    let link = deep_link(public_url, notice);
    let facts = facts(notice, words);
    Rendered {
        root: root.filter(|r| *r != message_id).map(ToOwned::to_owned),
        message_id,
        subject: one_line(&subject, 250),
        headers: vec![
            ("X-Ottwatch-Severity", notice.severity.to_string()),
            ("X-Ottwatch-Incident", notice.number.to_string()),
            ("X-Ottwatch-Check", ascii_header(&notice.check)),
            ("X-Ottwatch-Channel", notice.channel.to_string()),
            ("Auto-Submitted", "auto-generated".to_owned()),
            ("List-Id", ascii_header(&list_id)),
        ],
        text: render_text(notice, words, &facts, &link),
        html: render_html(notice, words, &facts, &link),
        date: notice.at,
    }
}

/// Label and value, in the order of the message.
fn facts(notice: &Notice, words: &Words) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let mut add = |label, value: &str| {
        if !value.is_empty() {
            facts.push((label, one_line(value, 1000)));
        }
    };
    let severity = told_severity(notice);
    let shown = match notice.previous_severity {
        Some(before) if notice.change == ChangeKind::Update && before != notice.severity => {
            format!("{} ({} {})", words.severity_name(severity), words.was, words.severity_name(before))
        }
        _ => words.severity_name(severity).to_owned(),
    };
    add(words.changed, &words.operation(notice).unwrap_or_default());
    add(words.channel, &notice.channel_name);
    add(words.severity, &shown);
    add(words.what, &notice.title);
    add(words.subject, &notice.subject.to_string());
    add(words.measured, &notice.value);
    add(words.limit, &notice.limit);
    add(words.since, &utc(notice.raised_at));
    if notice.change == ChangeKind::Clear {
        let over = notice.cleared_at.unwrap_or(notice.at);
        let reason =
            notice.clear_reason.as_deref().map(|r| format!(" ({})", words.clear_reason(r))).unwrap_or_default();
        add(words.cleared, &format!("{}{reason}", utc(over)));
        add(words.duration, &duration(over.since(notice.raised_at)));
    }
    add(words.in_hand, notice.ack.as_ref().map_or("", |ack| ack.by.as_str()));
    add(words.probe, notice.probe.as_ref().map_or("", |p| p.as_str()));
    add(words.packager, notice.packager.as_deref().unwrap_or_default());
    add(words.region, notice.region.as_deref().unwrap_or_default());
    add(words.check, &notice.check);
    add(words.incident, &notice.number.to_string());
    add(words.runbook, notice.runbook.as_deref().unwrap_or_default());
    facts
}

/// The first line is what mail programs show in the list of messages.
fn render_text(notice: &Notice, words: &Words, facts: &[(&'static str, String)], link: &str) -> String {
    let width = facts.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    let mut out = format!("{}\n\n", words.headline(notice));
    if !notice.message.is_empty() {
        let _ = writeln!(out, "{}\n", one_line(&notice.message, 1000));
    }
    for (label, value) in facts {
        let pad = " ".repeat(width - label.chars().count());
        let _ = writeln!(out, "{label}:{pad} {value}");
    }
    if !link.is_empty() {
        let _ = write!(out, "\n{}: {link}\n", words.open);
    }
    let _ = write!(out, "\n-- \n{}\n", words.footer);
    out
}

/// Inline styles only, nothing loaded from elsewhere.
fn render_html(notice: &Notice, words: &Words, facts: &[(&'static str, String)], link: &str) -> String {
    let shown = if notice.change == ChangeKind::Clear { ow_domain::Severity::Cleared } else { notice.severity };
    let mut rows = String::new();
    for (label, value) in facts {
        let value = if *label == words.runbook && (value.starts_with("https://") || value.starts_with("http://")) {
            format!("<a href=\"{0}\">{0}</a>", escape(value))
        } else {
            escape(value)
        };
        let _ = writeln!(
            rows,
            "<tr><td style=\"padding:2px 12px 2px 0;color:#666;white-space:nowrap;vertical-align:top\">{}</td>\
             <td style=\"padding:2px 0\">{value}</td></tr>",
            escape(label)
        );
    }
    let message = match one_line(&notice.message, 1000) {
        line if line.is_empty() => String::new(),
        line => format!("<p style=\"margin:12px 0\">{}</p>\n", escape(&line)),
    };
    let open = if link.is_empty() {
        String::new()
    } else {
        format!("<p style=\"margin:16px 0\"><a href=\"{}\">{}</a></p>\n", escape(link), escape(words.open))
    };
    format!(
        "<!doctype html>\n<html><body style=\"margin:0;padding:16px;font:14px/1.45 sans-serif;color:#222\">\n\
         <p style=\"margin:0;padding:8px 12px;border-left:6px solid {};font-size:16px\"><b>{} {}</b></p>\n\
         {message}<table style=\"border-collapse:collapse;font-size:14px\">\n{rows}</table>\n{open}\
         <p style=\"margin:16px 0 0;color:#888;font-size:12px\">{}</p>\n</body></html>\n",
        text::colour(shown),
        text::glyph(shown),
        escape(&words.headline(notice)),
        escape(words.footer)
    )
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

fn ascii_header(text: &str) -> String {
    one_line(&text::to_ascii(text), 200).chars().filter(char::is_ascii).collect()
}

fn domain_of(mailbox: &str) -> String {
    let address = mailbox.split_once('<').map_or(mailbox, |(_, rest)| rest.trim_end_matches('>'));
    address.rsplit_once('@').map_or("ottwatch.invalid", |(_, domain)| domain.trim()).to_owned()
}

/// Sends by SMTP, one connection per message: alarms are rare, and an idle connection is one more thing that breaks.
pub struct Mailer {
    env: Env,
}

impl Mailer {
    pub fn new(env: Env) -> Self {
        Self { env }
    }

    /// The server's answer is the receipt.
    pub async fn send(&self, spec: &EmailSpec, rendered: &Rendered) -> Result<String, SendError> {
        let message = message(spec, rendered)?;
        let password = match &spec.password_file {
            Some(place) => Some(resolve("password_file", place, &self.env).await?),
            None => None,
        };
        let transport = self.transport(spec, password.as_ref()).await?;
        let sent = tokio::time::timeout(TIMEOUT * 2, transport.send(message)).await;
        match sent {
            Ok(Ok(response)) => {
                let said = response.message().collect::<Vec<_>>().join(" ");
                Ok(format!("{} accepted: {} {}", spec.host, response.code(), one_line(&said, 200)))
            }
            Ok(Err(error)) => Err(classify(&error, spec, password.as_ref())),
            Err(_) => Err(SendError::transient(format!("{} did not finish in time", spec.host)).uncertain()),
        }
    }

    async fn transport(
        &self,
        spec: &EmailSpec,
        password: Option<&Secret>,
    ) -> Result<AsyncSmtpTransport<Tokio1Executor>, SendError> {
        let mut parameters = TlsParameters::builder(spec.host.clone());
        if let Some(path) = &spec.ca_file {
            let pem = read_pem("ca_file", path).await?;
            let certificate = Certificate::from_pem(&pem)
                .map_err(|e| SendError::settings(format!("ca_file: {path} is no PEM certificate: {}", chain(&e))))?;
            parameters = parameters.add_root_certificate(certificate);
        }
        let tls = |p: lettre::transport::smtp::client::TlsParametersBuilder| {
            p.build_rustls().map_err(|e| SendError::settings(format!("TLS to {}: {}", spec.host, chain(&e))))
        };
        let tls = match spec.tls {
            EmailTls::None => Tls::None,
            EmailTls::Starttls => Tls::Required(tls(parameters)?),
            EmailTls::Tls => Tls::Wrapper(tls(parameters)?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(spec.host.clone())
            .port(spec.effective_port())
            .tls(tls)
            .timeout(Some(TIMEOUT));
        if let (Some(user), Some(password)) = (&spec.username, password) {
            builder = builder.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
        }
        Ok(builder.build())
    }
}

fn message(spec: &EmailSpec, rendered: &Rendered) -> Result<Message, SendError> {
    let mailbox = |field: &str, text: &str| {
        text.parse::<Mailbox>().map_err(|e| SendError::settings(format!("{field}: {text:?} is no mail address: {e}")))
    };
    let from = mailbox("from", &spec.from)?;
    let sender = from.email.clone();
    let mut recipients = Vec::new();
    let date =
        std::time::UNIX_EPOCH + Duration::from_micros(u64::try_from(rendered.date.unix_micros()).unwrap_or_default());
    let mut builder = Message::builder()
        .from(from)
        .subject(rendered.subject.clone())
        .message_id(Some(rendered.message_id.clone()))
        .date(date);
    for to in &spec.to {
        let to = mailbox("to", to)?;
        recipients.push(to.email.clone());
        builder = builder.to(to);
    }
    if let Some(reply_to) = &spec.reply_to {
        builder = builder.reply_to(mailbox("reply_to", reply_to)?);
    }
    if let Some(root) = &rendered.root {
        builder = builder.in_reply_to(root.clone()).references(root.clone());
    }
    let envelope = Envelope::new(Some(sender), recipients).map_err(|e| SendError::settings(format!("to: {e}")))?;
    builder = builder.envelope(envelope);
    for (name, value) in &rendered.headers {
        builder = builder.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str(name), value.clone()));
    }
    builder
        .multipart(MultiPart::alternative_plain_html(rendered.text.clone(), rendered.html.clone()))
        .map_err(|e| SendError::refused(format!("the message could not be built: {}", chain(&e))))
}

fn classify(error: &lettre::transport::smtp::Error, spec: &EmailSpec, password: Option<&Secret>) -> SendError {
    let host = &spec.host;
    let mut detail = chain(error);
    if let Some(password) = password {
        // Some servers repeat what they were sent.
        detail = detail.replace(password.expose(), "[secret]");
    }
    let code: Option<u16> = error.status().and_then(|code| code.to_string().parse().ok());
    match code {
        // RFC 4954 §6: wrong or missing credentials; 530 authentication required.
        Some(530 | 534 | 535 | 538) => {
            SendError::settings(format!("{host} refuses the user name or password: {detail}"))
        }
        Some(500..) => SendError::refused(format!("{host} refuses the message: {detail}")),
        Some(_) => SendError::transient(format!("{host}: {detail}")),
        None if error.is_tls() => SendError::settings(format!("TLS to {host} failed: {detail}")),
        None if error.is_client() => SendError::new(FailureKind::Settings, format!("{host}: {detail}")),
        // Cut off or timed out: perhaps after the message was taken.
        None if error.is_timeout() => SendError::transient(format!("{host}: {detail}")).uncertain(),
        None => SendError::transient(format!("{host}: {detail}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use ow_domain::receiver::{Language, ReceiverSpec};

    fn spec() -> EmailSpec {
        let json = serde_json::json!({"type": "email", "host": "mx.example.net",
            "from": "NOC alarms <ottwatch@example.net>", "to": ["noc@example.net"]});
        match ReceiverSpec::from_json(&json).unwrap() {
            ReceiverSpec::Email(spec) => spec,
            other => panic!("{other:?}"),
        }
    }

    fn show(r: &Rendered) -> String {
        let headers: Vec<String> = r.headers.iter().map(|(n, v)| format!("{n}: {v}")).collect();
        format!(
            "Message-ID: {}\nIn-Reply-To: {:?}\nSubject: {}\n{}\n\n{}\n{}",
            r.message_id,
            r.root,
            r.subject,
            headers.join("\n"),
            r.text,
            r.html
        )
    }

    #[test]
    fn raise_update_and_clear_read_well() {
        let id = ReceiverId::new("noc-mail").unwrap();
        let mut spec = spec();
        let url = "https://ott.example";
        let raise = render(&sample::raise(), &id, &spec, url, None);
        let update = render(&sample::update(), &id, &spec, url, Some(&raise.message_id));
        let clear = render(&sample::clear(), &id, &spec, url, Some(&raise.message_id));
        spec.language = Language::Vi;
        spec.severity_in_subject = true;
        let vi = render(&sample::clear(), &id, &spec, url, Some(&raise.message_id));
        assert!(raise.subject == update.subject && update.subject == clear.subject);
        insta::assert_snapshot!("email_raise", show(&raise));
        insta::assert_snapshot!("email_update", show(&update));
        insta::assert_snapshot!("email_clear", show(&clear));
        insta::assert_snapshot!("email_clear_vi", show(&vi));
    }

    #[test]
    fn a_message_sent_again_has_its_id_and_is_its_own_root() {
        let id = ReceiverId::new("noc-mail").unwrap();
        let first = render(&sample::raise(), &id, &spec(), "", None);
        let again = render(&sample::raise(), &id, &spec(), "", Some(&first.message_id));
        assert_eq!(first, again);
    }

    #[test]
    fn hostile_texts_stay_inside_their_places() {
        let id = ReceiverId::new("noc-mail").unwrap();
        let mut notice = sample::raise();
        notice.channel_name = "x\r\nBcc: a@b.c\r\n<script>".into();
        let r = render(&notice, &id, &spec(), "https://ott.example", None);
        assert!(!r.subject.contains(['\r', '\n']) && !r.html.contains("<script>"));
        let message = message(&spec(), &r).unwrap().formatted();
        assert!(!String::from_utf8_lossy(&message).contains("\r\nBcc:"));
    }
}
