//! Sends to Slack's Web API or to an incoming webhook.

use std::time::Duration;

use ow_domain::incident::ChangeKind;
use ow_domain::receiver::{Secret, SlackMode, SlackSpec};
use serde_json::{Value, json};

use crate::error::{FailureKind, SendError};
use crate::http::{HttpClients, body_of, retry_after, shown, transport_error};
use crate::secret::{Env, resolve};
use crate::slack::Rendered;
use crate::text::one_line;

/// Where an incident's message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub channel: String,
    pub ts: String,
}

/// What was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub detail: String,
    /// The incident's message; `None` in webhook mode.
    pub place: Option<Place>,
}

/// Calls Slack.
pub struct SlackApi {
    env: Env,
    http: std::sync::Arc<HttpClients>,
}

impl SlackApi {
    pub fn new(env: Env, http: std::sync::Arc<HttpClients>) -> Self {
        Self { env, http }
    }

    /// Posts the incident's message, or edits it where it is and replies in its thread.
    pub async fn send(
        &self,
        spec: &SlackSpec,
        change: ChangeKind,
        rendered: &Rendered,
        place: Option<&Place>,
    ) -> Result<Receipt, SendError> {
        match spec.mode {
            SlackMode::Webhook => self.webhook(spec, change, rendered).await,
            SlackMode::Bot => self.bot(spec, rendered, place).await,
        }
    }

    async fn bot(&self, spec: &SlackSpec, rendered: &Rendered, place: Option<&Place>) -> Result<Receipt, SendError> {
        let token = match &spec.token_file {
            Some(secret) => resolve("token_file", secret, &self.env).await?,
            None => return Err(SendError::settings("token_file is missing")),
        };
        let Some(place) = place else {
            let channel = spec.channel.clone().unwrap_or_default();
            let answer =
                self.call(spec, &token, "chat.postMessage", with(&rendered.root, json!({"channel": channel}))).await?;
            let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
            // An answer without ts cannot be edited later; then the next change posts anew.
            let place = Place { channel: text("channel"), ts: text("ts") };
            let known = !place.channel.is_empty() && !place.ts.is_empty();
            return Ok(Receipt { detail: format!("posted, ts {}", place.ts), place: known.then_some(place) });
        };
        let target = json!({"channel": place.channel, "ts": place.ts});
        let edited = self.call(spec, &token, "chat.update", with(&rendered.root, target)).await;
        match edited {
            // Somebody deleted it, or edits of it are closed: say it anew.
            Err(error) if EDIT_GONE.iter().any(|code| error.detail.contains(code)) => {
                return Box::pin(self.bot(spec, rendered, None)).await;
            }
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        let mut detail = format!("edited, ts {}", place.ts);
        if let Some(reply) = &rendered.reply {
            let target = json!({"channel": place.channel, "thread_ts": place.ts});
            match self.call(spec, &token, "chat.postMessage", with(reply, target)).await {
                Ok(_) => detail.push_str(", replied in its thread"),
                // The edit is made: a second attempt edits again, which is harmless.
                Err(error) if matches!(error.kind, FailureKind::Refused) => {
                    detail.push_str(&format!(", reply refused: {}", error.detail));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Receipt { detail, place: Some(place.clone()) })
    }

    async fn call(&self, spec: &SlackSpec, token: &Secret, method: &str, body: Value) -> Result<Value, SendError> {
        let base = spec.api_url.trim_end_matches('/');
        let url = url::Url::parse(&format!("{base}/{method}"))
            .map_err(|e| SendError::settings(format!("api_url: {base:?} is no URL: {e}")))?;
        let host = shown(&url);
        let client = self.http.get(spec.ca_file.as_deref(), true).await?;
        let response = client
            .post(url)
            .bearer_auth(token.expose())
            .json(&body)
            .send()
            .await
            .map_err(|e| transport_error(e, &host))?;
        let status = response.status();
        let wait = retry_after(&response);
        let bytes = body_of(response).await;
        if status.as_u16() == 429 {
            return Err(throttled(method, wait));
        }
        if !status.is_success() {
            return Err(http_failure(&host, method, status, &bytes));
        }
        let answer: Value = serde_json::from_slice(&bytes)
            .map_err(|_| SendError::transient(format!("{method}: Slack's answer is not JSON")).uncertain())?;
        if answer["ok"] == true {
            return Ok(answer);
        }
        let code = one_line(answer["error"].as_str().unwrap_or("no error code"), 100);
        Err(match code.as_str() {
            "ratelimited" | "rate_limited" => throttled(method, wait),
            "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" | "team_added_to_org" => {
                SendError::transient(format!("{method}: {code}")).uncertain()
            }
            code if SETTINGS.contains(&code) => SendError::settings(format!(
                "{method}: {code} (check token, its scopes, and the channel {:?})",
                spec.channel.as_deref().unwrap_or_default()
            )),
            code => SendError::refused(format!("{method}: {code}")),
        })
    }

    async fn webhook(&self, spec: &SlackSpec, change: ChangeKind, rendered: &Rendered) -> Result<Receipt, SendError> {
        if change == ChangeKind::Update {
            return Ok(Receipt { detail: "nothing sent: an incoming webhook cannot edit".to_owned(), place: None });
        }
        let secret = match &spec.webhook_url_file {
            Some(secret) => resolve("webhook_url_file", secret, &self.env).await?,
            None => return Err(SendError::settings("webhook_url_file is missing")),
        };
        let url = url::Url::parse(secret.expose())
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or_else(|| SendError::settings("webhook_url_file: what it has is no http(s) URL"))?;
        let host = shown(&url);
        let client = self.http.get(spec.ca_file.as_deref(), true).await?;
        let response = client.post(url).json(&rendered.root).send().await.map_err(|e| transport_error(e, &host))?;
        let status = response.status();
        if status.as_u16() == 429 {
            return Err(throttled("webhook", retry_after(&response)));
        }
        if !status.is_success() {
            let bytes = body_of(response).await;
            return Err(http_failure(&host, "webhook", status, &bytes));
        }
        Ok(Receipt { detail: format!("{host} accepted it"), place: None })
    }
}

/// Slack's words for a message that cannot be edited any more.
const EDIT_GONE: [&str; 3] = ["message_not_found", "edit_window_closed", "cant_update_message"];
/// Slack's words for what a person has to mend.
const SETTINGS: [&str; 15] = [
    "invalid_auth",
    "not_authed",
    "account_inactive",
    "token_revoked",
    "token_expired",
    "no_permission",
    "missing_scope",
    "not_allowed_token_type",
    "channel_not_found",
    "not_in_channel",
    "is_archived",
    "restricted_action",
    "team_access_not_granted",
    "ekm_access_denied",
    "org_login_required",
];

fn with(body: &Value, more: Value) -> Value {
    let mut body = body.clone();
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    body
}

fn throttled(what: &str, wait: Duration) -> SendError {
    SendError::new(FailureKind::Throttled(wait), format!("{what}: Slack asks to wait {} s", wait.as_secs()))
}

fn http_failure(host: &str, what: &str, status: reqwest::StatusCode, body: &[u8]) -> SendError {
    let said = one_line(&String::from_utf8_lossy(body), 200);
    let detail = format!("{host} answered {what} with {}: {said}", status.as_u16());
    match status.as_u16() {
        408 | 425 | 500.. => SendError::transient(detail).uncertain(),
        401 | 403 | 404 | 410 | 300..=399 => SendError::settings(detail),
        _ => SendError::refused(detail),
    }
}
