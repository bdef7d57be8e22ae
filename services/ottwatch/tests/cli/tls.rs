//! `ottwatch check --ca`: a packager behind a certificate of a private authority.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::support::{origin, run};

/// TLS in front of a plain origin. Gives where it listens, and the authority to trust.
async fn terminate_tls(origin: SocketAddr) -> (SocketAddr, String) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(vec![]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())))
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust us hangs up.
                let Ok(mut outside) = acceptor.accept(stream).await else { return };
                let Ok(mut inside) = TcpStream::connect(origin).await else { return };
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    (addr, pem)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_authority_is_trusted_when_named() {
    let origin = origin(vec![]).await;
    let (addr, pem) = terminate_tls(origin.addr).await;
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("lab ca.pem");
    std::fs::write(&ca, pem).unwrap();
    let (ca, url) = (ca.display().to_string(), format!("https://{addr}/live/a/ts/master.m3u8"));
    let (without, with) =
        tokio::join!(run(&["check", &url, "--for", "12s"]), run(&["check", &url, "--for", "12s", "--ca", &ca]),);
    assert_eq!(without.code, 2, "{without:?}");
    assert!(without.stdout.contains("1 fault in ") && without.stdout.contains("http-tls-failure"), "{without:?}");
    assert_eq!(with.code, 0, "{with:?}");
    assert!(with.stdout.contains("nothing wrong in "), "{with:?}");
}
