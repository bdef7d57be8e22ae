//! TLS of the probe: verified like a player would, told apart like a monitor must.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ow_domain::Time;
use ow_domain::capture::{FailureKind, Phase, TlsFacts};
use rustls::client::Resumption;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::outcome::Fault;

/// Different sets of extra roots kept at once; more are built again for each connection.
const MAX_PROFILES: usize = 64;

/// Client configurations by extra roots.
pub(crate) struct TlsProfiles {
    roots: RootCertStore,
    profiles: Mutex<HashMap<Arc<str>, Arc<ClientConfig>>>,
}

impl TlsProfiles {
    /// Reads the roots of the machine; an unreadable store gives none, and then every chain is untrusted.
    pub(crate) fn new(native_roots: bool) -> Self {
        let mut roots = RootCertStore::empty();
        if native_roots {
            let native = rustls_native_certs::load_native_certs();
            let (added, ignored) = roots.add_parsable_certificates(native.certs);
            tracing::debug!(added, ignored, errors = native.errors.len(), "system roots loaded");
        }
        Self { roots, profiles: Mutex::default() }
    }

    pub(crate) fn config(&self, extra_roots_pem: Option<&Arc<str>>) -> Result<Arc<ClientConfig>, Fault> {
        let key: Arc<str> = extra_roots_pem.cloned().unwrap_or_else(|| "".into());
        let lock = || self.profiles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&key) {
            return Ok(known.clone());
        }
        let config = Arc::new(self.build(&key)?);
        let mut profiles = lock();
        if profiles.len() < MAX_PROFILES {
            profiles.insert(key, config.clone());
        }
        Ok(config)
    }

    fn build(&self, extra_roots_pem: &str) -> Result<ClientConfig, Fault> {
        let fault = |detail: String| Fault { phase: Phase::Tls, kind: FailureKind::TlsOther, detail };
        let mut roots = self.roots.clone();
        if !extra_roots_pem.is_empty() {
            let certs = CertificateDer::pem_slice_iter(extra_roots_pem.as_bytes())
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| fault(format!("extra_roots_pem cannot be read: {error:?}")))?;
            if roots.add_parsable_certificates(certs).0 == 0 {
                return Err(fault("extra_roots_pem holds no certificate".into()));
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| fault(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A resumed session shows no chain: an expired certificate would go unseen for the life of the ticket.
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

/// What the handshake showed.
pub(crate) fn facts(connection: &ClientConnection) -> TlsFacts {
    let chain = connection.peer_certificates().unwrap_or_default();
    let mut not_after: Option<i64> = None;
    let mut not_before = None;
    for (at, der) in chain.iter().take(16).enumerate() {
        let Ok((_, cert)) = X509Certificate::from_der(der) else { continue };
        let end = cert.validity().not_after.timestamp();
        not_after = Some(not_after.map_or(end, |least| least.min(end)));
        if at == 0 {
            not_before = Some(cert.validity().not_before.timestamp());
        }
    }
    let time = |seconds: i64| Time::from_unix_micros(seconds.saturating_mul(1_000_000));
    TlsFacts {
        version: match connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3".into(),
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2".into(),
            other => format!("{other:?}"),
        },
        cipher: connection.negotiated_cipher_suite().map(|s| format!("{:?}", s.suite())).unwrap_or_default(),
        not_after: not_after.map(time),
        not_before: not_before.map(time),
        leaf_sha256: chain
            .first()
            .map(|leaf| super::digest::hex(ring::digest::digest(&ring::digest::SHA256, leaf).as_ref())),
    }
}
