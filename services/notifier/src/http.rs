//! HTTP clients of Slack and webhook receivers: no redirects, time-outs, our TLS roots, and a guard against
//! link-local addresses.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Response};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::error::{SendError, chain};
use crate::secret::read_pem;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From the first byte sent to the last received.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Of an answer, no more than this is read.
const MAX_ANSWER: usize = 64 * 1024;

/// Clients by what makes them differ. Connections are kept alive by them.
#[derive(Default)]
pub struct HttpClients(Mutex<HashMap<(Option<String>, bool), Client>>);

impl HttpClients {
    /// A client that trusts the system's roots and those of `ca_file`.
    pub async fn get(&self, ca_file: Option<&str>, allow_link_local: bool) -> Result<Client, SendError> {
        // A CA file may change: clients with one are made for each message.
        if ca_file.is_none()
            && let Some(client) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&(None, allow_link_local))
        {
            return Ok(client.clone());
        }
        let client = build(ca_file, allow_link_local).await?;
        if ca_file.is_none() {
            let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            clients.insert((None, allow_link_local), client.clone());
        }
        Ok(client)
    }
}

async fn build(ca_file: Option<&str>, allow_link_local: bool) -> Result<Client, SendError> {
    let mut roots = system_roots().clone();
    if let Some(path) = ca_file {
        let pem = read_pem("ca_file", path).await?;
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(&pem).take(500).flatten() {
            let _ = roots.add(certificate);
        }
        if roots.len() == before {
            return Err(SendError::settings(format!("ca_file: {path} has no PEM certificate")));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| SendError::settings(format!("TLS: {e}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .user_agent(concat!("ottwatch/", env!("CARGO_PKG_VERSION")));
    if !allow_link_local {
        builder = builder.dns_resolver(Guarded);
    }
    builder.build().map_err(|e| SendError::settings(format!("HTTP client: {}", chain(&e))))
}

/// Reading the system's certificates takes tens of milliseconds: once.
fn system_roots() -> &'static rustls::RootCertStore {
    static ROOTS: OnceLock<rustls::RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    })
}

/// Resolves by the system and refuses link-local addresses.
struct Guarded;

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let good: Vec<SocketAddr> = found.into_iter().filter(|a| !is_link_local(a.ip())).collect();
            if good.is_empty() {
                return Err("it has no address outside the link-local range".into());
            }
            Ok(Box::new(good.into_iter()) as Addrs)
        })
    }
}

/// 169.254.0.0/16 and fe80::/10 (also mapped into IPv6), and the IPv6 metadata address of one large cloud.
pub fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.is_link_local(),
            None => {
                (v6.segments()[0] & 0xffc0) == 0xfe80
                    || v6 == std::net::Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
            }
        },
    }
}

/// Addresses written as such never come to the resolver.
pub fn check_literal(url: &url::Url, allow_link_local: bool) -> Result<(), SendError> {
    let address = match url.host() {
        Some(url::Host::Ipv4(v4)) => IpAddr::V4(v4),
        Some(url::Host::Ipv6(v6)) => IpAddr::V6(v6),
        _ => return Ok(()),
    };
    if !allow_link_local && is_link_local(address) {
        return Err(SendError::settings(format!("{address} is link-local; set allow_link_local if it is meant")));
    }
    Ok(())
}

/// Scheme, host and port: what may be shown of a URL whose path may be a secret.
pub fn shown(url: &url::Url) -> String {
    let port = url.port().map(|p| format!(":{p}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

/// An error of the transport. `uncertain` when the request had left.
pub fn transport_error(error: reqwest::Error, host: &str) -> SendError {
    let sent = !error.is_connect() && !error.is_builder();
    // The URL may be a secret.
    let failed = SendError::transient(format!("{host}: {}", chain(&error.without_url())));
    if sent { failed.uncertain() } else { failed }
}

/// `Retry-After` in seconds, 1 to 3,600.
pub fn retry_after(response: &Response) -> Duration {
    let seconds = response.headers().get("retry-after").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    Duration::from_secs(seconds.unwrap_or(5_u64).clamp(1, 3600))
}

/// The start of an answer's body.
pub async fn body_of(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < MAX_ANSWER
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk[..chunk.len().min(MAX_ANSWER - body.len())]);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_addresses_are_refused() {
        for (text, refused) in [
            ("http://169.254.169.254/latest", true),
            ("http://[fe80::1]/", true),
            ("http://[::ffff:169.254.169.254]/", true),
            ("http://[fd00:ec2::254]/", true),
            ("http://2852039166/", true),
            ("http://127.0.0.1:80/", false),
            ("https://hooks.example.net/", false),
        ] {
            let url = url::Url::parse(text).unwrap();
            assert_eq!(check_literal(&url, false).is_err(), refused, "{text}");
            assert!(check_literal(&url, true).is_ok());
        }
    }

    #[test]
    fn a_shown_url_has_no_path() {
        let url = url::Url::parse("https://hooks.slack.com/services/T0/B0/secret?x=1").unwrap();
        assert_eq!(shown(&url), "https://hooks.slack.com");
    }
}
