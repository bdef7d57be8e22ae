//! Generic webhook: a JSON body shaped after CloudEvents, signed after the Standard Webhooks convention, so that
//! receivers can check it by an existing library.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use ow_domain::incident::{ChangeKind, Notice};
use ow_domain::receiver::{Secret, SecretRef, WebhookSpec};
use ow_domain::{ReceiverId, Time};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::error::{FailureKind, SendError};
use crate::http::{HttpClients, body_of, check_literal, retry_after, shown, transport_error};
use crate::secret::{Env, is_reference, resolve};
use crate::text::{Words, deep_link, one_line};

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// `webhook-id`: the same in every attempt.
    pub id: String,
    pub body: Value,
}

/// The request for a notice.
pub fn render(notice: &Notice, receiver: &ReceiverId, public_url: &str) -> Rendered {
    let id = format!("{}.{}.{receiver}", notice.number, notice.revision);
    let words = Words::of(ow_domain::receiver::Language::En);
    let body = json!({
        "specversion": "1.0",
        "id": id,
        "type": format!("ottwatch.incident.{}.v1", notice.change),
        "source": if public_url.is_empty() { "ottwatch" } else { public_url.trim_end_matches('/') },
        "subject": notice.number.to_string(),
        "time": notice.at,
        "datacontenttype": "application/json",
        "data": {
            "summary": words.headline(notice),
            "state": if notice.change == ChangeKind::Clear { "cleared" } else { "open" },
            "alarm_id": notice.alarm_id(),
            "url": deep_link(public_url, notice),
            "incident": notice,
        },
    });
    Rendered { id, body }
}

/// `v1,<base64 of HMAC-SHA256(id.timestamp.body)>`. A secret `whsec_...` is base64, any other is taken as it is.
pub fn sign(secret: &Secret, id: &str, timestamp: i64, body: &[u8]) -> Result<String, SendError> {
    let key = match secret.expose().strip_prefix("whsec_") {
        Some(encoded) => STANDARD
            .decode(encoded)
            .map_err(|_| SendError::settings("secret_file: what follows whsec_ is not base64"))?,
        None => secret.expose().as_bytes().to_vec(),
    };
    let mut mac =
        Hmac::<Sha256>::new_from_slice(&key).map_err(|_| SendError::settings("secret_file: the key cannot be used"))?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

/// Posts webhooks.
pub struct Webhooks {
    env: Env,
    http: std::sync::Arc<HttpClients>,
}

impl Webhooks {
    pub fn new(env: Env, http: std::sync::Arc<HttpClients>) -> Self {
        Self { env, http }
    }

    /// Any 2xx answer is a receipt.
    pub async fn send(&self, spec: &WebhookSpec, rendered: &Rendered, now: Time) -> Result<String, SendError> {
        let url = url::Url::parse(&spec.url).map_err(|e| SendError::settings(format!("url is no URL: {e}")))?;
        check_literal(&url, spec.allow_link_local)?;
        let host = shown(&url);
        let body = serde_json::to_vec(&rendered.body)
            .map_err(|e| SendError::refused(format!("the body could not be built: {e}")))?;
        let timestamp = now.unix_seconds();
        let client = self.http.get(spec.ca_file.as_deref(), spec.allow_link_local).await?;
        let mut request = client
            .post(url)
            .header("content-type", "application/cloudevents+json")
            .header("webhook-id", &rendered.id)
            .header("webhook-timestamp", timestamp.to_string());
        if let Some(place) = &spec.secret_file {
            let secret = resolve("secret_file", place, &self.env).await?;
            request = request.header("webhook-signature", sign(&secret, &rendered.id, timestamp, &body)?);
        }
        for (name, value) in &spec.headers {
            let value = match is_reference(value) {
                true => resolve(&format!("headers.{name}"), &SecretRef(value.clone()), &self.env).await?,
                false => Secret::new(value.as_str()),
            };
            request = request.header(name, value.expose());
        }
        let response = request.body(body).send().await.map_err(|e| transport_error(e, &host))?;
        let status = response.status().as_u16();
        if (200..300).contains(&status) {
            return Ok(format!("{host} answered {status}"));
        }
        let wait = retry_after(&response);
        let said = one_line(&String::from_utf8_lossy(&body_of(response).await), 200);
        let detail = format!("{host} answered {status}: {said}");
        Err(match status {
            429 => SendError::new(FailureKind::Throttled(wait), detail),
            // Redirects are never followed: the body and its signature are for the address that was set.
            300..=399 => SendError::settings(format!("{detail} (redirects are not followed)")),
            401 | 403 | 404 | 407 => SendError::settings(detail),
            408 | 425 | 500.. => SendError::transient(detail).uncertain(),
            _ => SendError::refused(detail),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn body_of_raise_and_clear() {
        let id = ReceiverId::new("ticketing").unwrap();
        let show = |n: &Notice| serde_json::to_string_pretty(&render(n, &id, "https://ott.example/").body).unwrap();
        insta::assert_snapshot!("webhook_raise", show(&sample::raise()));
        insta::assert_snapshot!("webhook_clear", show(&sample::clear()));
    }

    /// The example of the Standard Webhooks specification.
    #[test]
    fn signature_is_that_of_the_specification() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature =
            sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#).unwrap();
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(sign(&Secret::new("whsec_***"), "a", 1, b"").is_err());
    }
}
