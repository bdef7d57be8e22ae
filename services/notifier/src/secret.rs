//! Reads secrets where the settings say they are, each time anew: a rotated file takes effect with the next message.

use ow_domain::receiver::{Secret, SecretRef};

use crate::error::SendError;

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
        return Err(SendError::settings(format!("{field}: {place} is empty")));
    }
    Ok(Secret::new(text))
}

/// A PEM file with certificates.
pub async fn read_pem(field: &str, path: &str) -> Result<Vec<u8>, SendError> {
    tokio::fs::read(path).await.map_err(|e| SendError::settings(format!("{field}: {path} cannot be read: {e}")))
}
