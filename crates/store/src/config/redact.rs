//! Takes out of a spec what may be a secret, for the audit trail.

use serde_json::Value;

const HIDDEN: &str = "(hidden)";

/// Keys whose values are not kept: request headers, and whatever is named like a secret.
fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["headers", "password", "secret", "token", "community", "passphrase", "authkey", "privkey"].iter().any(|word| {
        key == *word || (key.ends_with(word) && *word != "headers") && !key.ends_with("_file") && !key.ends_with("file")
    })
}

/// The value with every text below a secret key replaced. References to secrets (`{file: ...}`, `{env: ...}`) stay.
pub fn redacted(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .map(|(key, value)| {
                    let value = if is_secret(&key) { hide(value) } else { redacted(value) };
                    (key, value)
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(redacted).collect()),
        Value::String(text) if text.starts_with("sealed:") || text.starts_with("value:") => HIDDEN.into(),
        other => other,
    }
}

fn hide(value: Value) -> Value {
    match value {
        Value::Object(map) if map.len() == 1 && (map.contains_key("file") || map.contains_key("env")) => {
            Value::Object(map)
        }
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, value)| (key, hide(value))).collect()),
        Value::Array(items) => Value::Array(items.into_iter().map(hide).collect()),
        Value::String(_) | Value::Number(_) => Value::String(HIDDEN.to_owned()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_do_not_reach_the_audit_trail() {
        let spec = json!({
            "streams": [{"url": "http://o/x.m3u8", "headers": {"Authorization": "Bearer geheim"}}],
            "bot_token": "geheim", "password": {"file": "/etc/ottwatch/smtp"}, "tokenParams": ["t"],
            "community": "geheim", "token_file": "value:geheim", "secret_file": "sealed:1:a:1:geheim", "nested": [{"password": "geheim", "n": 1}],
        });
        let out = redacted(spec);
        assert!(!out.to_string().contains("geheim"), "{out}");
        assert_eq!(out["streams"][0]["headers"]["Authorization"], "(hidden)");
        assert_eq!(out["password"]["file"], "/etc/ottwatch/smtp");
        assert_eq!(out["tokenParams"], json!(["t"]));
        assert_eq!(out["nested"][0]["n"], 1);
    }
}
