//! Each way a TLS handshake fails has its own name; a good one tells certificate and session.

mod support;

use std::sync::Arc;

use ow_domain::Time;
use ow_domain::capture::{FailureKind, ObjectKind, Outcome, Phase};
use ow_fetcher::http::Collect;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use support::{Names, Server, get, probe_with, read_head};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

const TLS12: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn authority() -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = rcgen::date_time_ymd(2040, 1, 1);
    let pem = params.self_signed(&key).unwrap().pem();
    Authority { pem, issuer: Issuer::new(params, key) }
}

/// A server whose leaf is valid for `name` between two years.
async fn serve(
    authority: &Authority,
    name: &str,
    from: i32,
    to: i32,
    versions: &'static [&'static rustls::SupportedProtocolVersion],
) -> Server {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(to, 1, 1);
    let leaf = params.signed_by(&key, &authority.issuer).unwrap();
    let chain = vec![CertificateDer::from(leaf.der().to_vec())];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Server::start(Arc::new(move |_, stream| {
        let acceptor = acceptor.clone();
        Box::pin(async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            while read_head(&mut stream).await.is_some() {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\0").await.unwrap();
            }
        })
    }))
    .await
}

fn probe() -> ow_fetcher::http::Probe {
    probe_with(Names(vec![("origin.test", Ok(vec!["127.0.0.1".parse().unwrap()]))]))
}

#[tokio::test]
async fn handshake_failures_are_told_apart() {
    let ours = authority();
    let other = authority();
    for (name, host, from, to, signer, expected) in [
        ("good", "origin.test", 2020, 2039, &ours, None),
        ("other name", "cdn.test", 2020, 2039, &ours, Some(FailureKind::TlsNameMismatch)),
        ("expired", "origin.test", 2020, 2021, &ours, Some(FailureKind::TlsExpired)),
        ("not yet valid", "origin.test", 2037, 2039, &ours, Some(FailureKind::TlsNotYetValid)),
        ("unknown authority", "origin.test", 2020, 2039, &other, Some(FailureKind::TlsUntrusted)),
    ] {
        let server = serve(signer, host, from, to, rustls::ALL_VERSIONS).await;
        let mut request = get(format!("https://origin.test:{}/a", server.addr.port()), ObjectKind::Segment);
        request.access.extra_roots_pem = Some(ours.pem.as_str().into());
        let exchange = probe().fetch(&request, &mut Collect::default()).await;
        match (expected, &exchange.outcome) {
            (Some(kind), Outcome::Failed(failure)) => {
                assert_eq!((failure.phase, failure.kind), (Phase::Tls, kind), "{name}: {failure:?}");
                assert!(!failure.detail.is_empty() && exchange.timings.connect_us.is_some());
            }
            (None, Outcome::Response(_)) => {
                let tls = exchange.tls.expect("facts of the session");
                assert_eq!(tls.version, "TLSv1.3");
                assert_eq!(tls.not_after, Time::parse_rfc3339("2039-01-01T00:00:00Z"));
                assert_eq!(tls.not_before, Time::parse_rfc3339("2020-01-01T00:00:00Z"));
                assert_eq!(tls.leaf_sha256.map(|hex| hex.len()), Some(64));
                assert!(exchange.timings.tls_us.is_some() && tls.cipher.starts_with("TLS13_"), "{}", tls.cipher);
            }
            (expected, outcome) => panic!("{name}: expected {expected:?}, got {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn tls_1_2_is_spoken_and_connections_are_used_again_with_their_facts() {
    let ours = authority();
    let server = serve(&ours, "origin.test", 2020, 2039, TLS12).await;
    let probe = probe();
    let mut request = get(format!("https://origin.test:{}/a", server.addr.port()), ObjectKind::Segment);
    request.access.extra_roots_pem = Some(ours.pem.as_str().into());
    for reused in [false, true] {
        let exchange = probe.fetch(&request, &mut Collect::default()).await;
        assert!(exchange.is_complete_success());
        assert_eq!(exchange.timings.reused, reused);
        assert_eq!(exchange.tls.unwrap().version, "TLSv1.2");
    }
    // Other trust, other connection: a chain accepted for one channel says nothing about another.
    request.access.extra_roots_pem = None;
    let exchange = probe.fetch(&request, &mut Collect::default()).await;
    assert!(matches!(exchange.outcome, Outcome::Failed(ref f) if f.kind == FailureKind::TlsUntrusted), "{exchange:?}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_or_refuses_it_is_told() {
    // Alert 70 is protocol_version, 40 handshake_failure.
    let alert = |code: u8| vec![0x15, 3, 3, 0, 2, 2, code];
    for (name, bytes, expected) in [
        ("plain http", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), FailureKind::TlsOther),
        ("protocol version", alert(70), FailureKind::TlsVersion),
        ("handshake failure", alert(40), FailureKind::TlsAlert),
        ("close", vec![], FailureKind::Closed),
    ] {
        let bytes: Arc<[u8]> = bytes.into();
        let server = Server::start(Arc::new(move |_, mut stream| {
            let bytes = bytes.clone();
            Box::pin(async move {
                use tokio::io::AsyncReadExt;
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
            })
        }))
        .await;
        let url = format!("https://origin.test:{}/a", server.addr.port());
        let exchange = probe().fetch(&get(url, ObjectKind::Segment), &mut Collect::default()).await;
        let Outcome::Failed(failure) = exchange.outcome else { panic!("{name}: answered") };
        assert_eq!((failure.phase, failure.kind), (Phase::Tls, expected), "{name}: {}", failure.detail);
    }
}
