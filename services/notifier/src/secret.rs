//! Reads secrets where the settings say they are, each time anew: a rotated file takes effect with the next message.

use ow_domain::receiver::{Secret, SecretRef};
use ow_service::sealing;

use crate::error::SendError;

/// A sealed value together with the place that it was sealed for, as [`placed`] makes it.
const AT: &str = "sealed@";

/// The spec of the receiver `name` with its place put to every sealed value, so that each opens only where it stands.
pub fn placed(name: &str, spec: &serde_json::Value) -> serde_json::Value {
    fn walk(name: &str, field: &str, value: &serde_json::Value) -> serde_json::Value {
        match value {
            serde_json::Value::Object(map) => {
                map.iter().map(|(key, value)| (key.clone(), walk(name, key, value))).collect()
            }
            serde_json::Value::String(text) if text.starts_with(sealing::PREFIX) => {
                format!("{AT}{} {text}", sealing::place("Receiver", name, field)).into()
            }
            // Nobody but us says where a value belongs.
            serde_json::Value::String(text) if text.starts_with(AT) => AT.into(),
            other => other.clone(),
        }
    }
    walk(name, "", spec)
}

/// Whether a value of a header is to be resolved first.
pub fn is_reference(value: &str) -> bool {
    value.starts_with("env:") || value.starts_with(AT)
}

/// Longest secret file in bytes.
const MAX_BYTES: usize = 16 * 1024;

/// Where environment variables are read from; tests give their own.
pub type Env = std::sync::Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The environment of this process.
pub fn process_env() -> Env {
    std::sync::Arc::new(|name| std::env::var(name).ok())
}

/// The secret without surrounding white space. Errors name the setting and the place, never the content.
pub async fn resolve(field: &str, place: &SecretRef, env: &Env) -> Result<Secret, SendError> {
    let text = match place.env_name() {
        _ if place.0.starts_with(AT) => {
            let (at, sealed) = place.0[AT.len()..].split_once(' ').unwrap_or_default();
            let opened = sealing::open(at, sealed).map_err(|error| SendError::settings(format!("{field}: {error}")))?;
            opened.reveal().to_owned()
        }
        // Never as a path: the text is the secret.
        _ if place.is_value() => return Err(SendError::settings(format!("{field}: the value is not sealed"))),
        Some(name) => {
            env(name).ok_or_else(|| SendError::settings(format!("{field}: environment variable {name} is not set")))?
        }
        None => {
            let bytes = tokio::fs::read(&place.0)
                .await
                .map_err(|e| SendError::settings(format!("{field}: {} cannot be read: {e}", place.0)))?;
            if bytes.len() > MAX_BYTES {
                return Err(SendError::settings(format!("{field}: {} is larger than 16 KiB", place.0)));
            }
            String::from_utf8(bytes).map_err(|_| SendError::settings(format!("{field}: {} is not text", place.0)))?
        }
    };
    let text = text.trim();
    if text.is_empty() {
        return Err(SendError::settings(format!("{field}: the secret is empty")));
    }
    Ok(Secret::new(text))
}

/// A PEM file with certificates.
pub async fn read_pem(field: &str, path: &str) -> Result<Vec<u8>, SendError> {
    tokio::fs::read(path).await.map_err(|e| SendError::settings(format!("{field}: {path} cannot be read: {e}")))
}

#[cfg(test)]
mod tests {
    use ow_service::sealing::Keyring;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn sealed_values_open_where_they_stand_and_nowhere_else() {
        let home = tempfile::tempdir().unwrap();
        let keys = Keyring::open_or_create(&home.path().join("secrets.key")).unwrap();
        sealing::install(keys.clone());
        let sealed = keys.seal(&sealing::place("Receiver", "mail", "password_file"), " geheim ").unwrap();
        let spec = json!({"type": "email", "password_file": sealed, "headers": {"X-Key": sealed}, "to": ["a@b.c"]});
        let open = async |name: &str, spec: &serde_json::Value| {
            let placed = placed(name, spec);
            let at = SecretRef(placed["password_file"].as_str().unwrap().to_owned());
            resolve("password_file", &at, &process_env()).await.map(|secret| secret.expose().to_owned())
        };
        assert_eq!(open("mail", &spec).await.unwrap(), "geheim");
        let stolen = json!({"password_file": format!("{AT}Receiver/mail/password_file {sealed}")});
        for (name, spec) in [("other", &spec), ("mail", &stolen)] {
            let error = open(name, spec).await.unwrap_err();
            assert!(!error.detail.contains("geheim") && !error.detail.contains(&sealed), "{}", error.detail);
        }
        let header = placed("mail", &spec)["headers"]["X-Key"].as_str().unwrap().to_owned();
        assert!(is_reference(&header));
        assert!(resolve("headers.X-Key", &SecretRef(header), &process_env()).await.is_err(), "another field");
        assert_eq!(placed("mail", &spec)["to"], spec["to"]);
        assert!(!is_reference("Bearer x") && is_reference("env:X"));
    }
}
