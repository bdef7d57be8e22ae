//! Certificate and key from files, read again when they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// The files are looked at this often.
pub const RELOAD: Duration = Duration::from_secs(5);

/// Certificate and key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {}", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} holds no {what} in PEM form", .path.display())]
    Pem {
        path: PathBuf,
        what: &'static str,
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    #[error("certificate and key do not fit each other or are of an unknown kind")]
    Pair(#[source] rustls::Error),
}

/// What a digest of both files is compared with.
type Seen = [u8; 32];

/// The pair of files and what was read of them last.
#[derive(Debug)]
pub struct Tls {
    cert_file: PathBuf,
    key_file: PathBuf,
    seen: Seen,
    current: watch::Sender<Arc<ServerConfig>>,
}

impl Tls {
    pub fn load(cert_file: &Path, key_file: &Path) -> Result<Self, TlsError> {
        let (config, seen) = read(cert_file, key_file)?;
        let current = watch::Sender::new(config);
        Ok(Self { cert_file: cert_file.to_owned(), key_file: key_file.to_owned(), seen, current })
    }

    /// For new connections; those that are open keep theirs.
    pub fn acceptors(&self) -> Acceptors {
        Acceptors(self.current.subscribe())
    }

    /// Follows the files until `stop`. A pair that cannot be used is told, and the last good one stays: during a renewal
    /// one file may be new and the other old.
    pub async fn follow(mut self, interval: Duration, stop: CancellationToken) {
        let mut told = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(interval) => {}
            }
            let (cert_file, key_file) = (self.cert_file.clone(), self.key_file.clone());
            let Ok(read) = tokio::task::spawn_blocking(move || read(&cert_file, &key_file)).await else { continue };
            match read {
                Ok((config, seen)) => {
                    told = None;
                    if seen != self.seen {
                        self.seen = seen;
                        self.current.send_replace(config);
                        tracing::info!("certificate read again");
                    }
                }
                Err(error) => {
                    let text = error.to_string();
                    if told.as_ref() != Some(&text) {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "the certificate cannot be read again; the last one stays in use");
                        told = Some(text);
                    }
                }
            }
        }
    }
}

/// Gives the acceptor with the certificate of now.
#[derive(Debug, Clone)]
pub struct Acceptors(watch::Receiver<Arc<ServerConfig>>);

impl Acceptors {
    pub fn now(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.borrow().clone())
    }
}

fn read(cert_file: &Path, key_file: &Path) -> Result<(Arc<ServerConfig>, Seen), TlsError> {
    let bytes = |path: &Path| std::fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source });
    let (cert, key) = (bytes(cert_file)?, bytes(key_file)?);
    let mut seen = Sha256::new();
    seen.update((cert.len() as u64).to_be_bytes());
    seen.update(&cert);
    seen.update(&key);
    let pem = |path: &Path, what, source| TlsError::Pem { path: path.to_owned(), what, source };
    let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(&cert).collect();
    let chain = chain.map_err(|source| pem(cert_file, "certificate", source))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|source| pem(key_file, "private key", source))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Pair)?;
    Ok((Arc::new(config), seen.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_without_sense_are_told_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let error = Tls::load(&cert, &key).unwrap_err();
        assert!(error.to_string().contains("tls.crt"), "{error}");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, "nothing").unwrap();
        let error = Tls::load(&cert, &key).unwrap_err();
        assert!(error.to_string().contains("tls.key"), "{error}");
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&key, other.signing_key.serialize_pem()).unwrap();
        assert!(matches!(Tls::load(&cert, &key), Err(TlsError::Pair(_))), "the key of another certificate");
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        assert!(Tls::load(&cert, &key).is_ok());
    }
}
