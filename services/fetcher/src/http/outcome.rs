//! From the errors of sockets, TLS and HTTP to the closed set of [`FailureKind`]s: told exactly, once, here.

use std::error::Error as StdError;
use std::io;

use ow_domain::capture::{BodyEnd, Failure, FailureKind, Phase};
use rustls::{AlertDescription, CertificateError, PeerIncompatible};

/// A failure before a status line, on its way into a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub phase: Phase,
    pub kind: FailureKind,
    pub detail: String,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self { phase: fault.phase, kind: fault.kind, detail: fault.detail }
    }
}

/// How a TCP connection attempt failed.
pub(crate) fn connect_kind(error: &io::Error) -> FailureKind {
    use io::ErrorKind as K;
    match error.kind() {
        K::ConnectionRefused => FailureKind::Refused,
        K::ConnectionReset | K::ConnectionAborted => FailureKind::Reset,
        K::TimedOut => FailureKind::TimedOut,
        K::HostUnreachable | K::NetworkUnreachable | K::NetworkDown | K::AddrNotAvailable => FailureKind::Unreachable,
        _ => FailureKind::Other,
    }
}

/// How a TLS handshake failed.
pub(crate) fn tls_fault(error: &io::Error) -> Fault {
    let fault = |kind, detail: String| Fault { phase: Phase::Tls, kind, detail };
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                fault(FailureKind::Reset, "connection reset during the TLS handshake".into())
            }
            io::ErrorKind::UnexpectedEof => {
                fault(FailureKind::Closed, "connection closed during the TLS handshake".into())
            }
            _ => fault(FailureKind::TlsOther, error.to_string()),
        };
    };
    fault(tls_kind(tls), tls.to_string())
}

fn tls_kind(error: &rustls::Error) -> FailureKind {
    match error {
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                FailureKind::TlsNameMismatch
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => FailureKind::TlsExpired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => FailureKind::TlsNotYetValid,
            _ => FailureKind::TlsUntrusted,
        },
        rustls::Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13)
        | rustls::Error::PeerIncompatible(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig)
        | rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => FailureKind::TlsVersion,
        rustls::Error::AlertReceived(_) => FailureKind::TlsAlert,
        _ => FailureKind::TlsOther,
    }
}

/// How a request failed before a status line.
pub(crate) fn request_fault(error: &hyper::Error) -> Fault {
    let fault = |kind, detail: &str| Fault { phase: Phase::Request, kind, detail: detail.to_owned() };
    if let Some(io) = io_cause(error) {
        return match io.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
                fault(FailureKind::Reset, "connection reset before the answer")
            }
            io::ErrorKind::UnexpectedEof => fault(FailureKind::Closed, "connection closed before the answer"),
            _ => fault(FailureKind::Other, &io.to_string()),
        };
    }
    if error.is_parse_too_large() {
        return fault(FailureKind::BadResponse, "the head of the answer has too many or too large header fields");
    }
    if error.is_parse() {
        return fault(FailureKind::BadResponse, &format!("the answer is not HTTP: {}", chain(error)));
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return fault(FailureKind::Closed, "connection closed before the answer");
    }
    fault(FailureKind::Other, &chain(error))
}

/// How a body ended whose reading failed.
pub(crate) fn body_end(error: &hyper::Error) -> BodyEnd {
    match io_cause(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted) => {
            BodyEnd::Reset
        }
        _ => BodyEnd::Short,
    }
}

fn io_cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io);
        }
        next = error.source();
    }
    None
}

fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text.truncate(text.char_indices().nth(300).map_or(text.len(), |(at, _)| at));
    text
}
