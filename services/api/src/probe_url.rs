//! Asks an address of a channel once: does a playlist answer there? The api is not a probe: what counts is what the
//! probes see later. The same rule of addresses holds for each hop as for them ([`ow_domain::address`]).

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::StreamExt;
use ow_domain::address::{AddressRules, refusal};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header;
use reqwest::{Client, Response};
use serde::Serialize;
use tokio::time::{Instant, timeout, timeout_at};
use url::{Host, Url};
use utoipa::ToSchema;

/// Addresses that are asked at the same time.
const PARALLEL: usize = 16;
/// For all hops and the body of one address.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Of an answer no more is read.
const MAX_BODY: usize = 1 << 20;
const MAX_REDIRECTS: usize = 5;
/// As a probe without other limits: packagers are in private networks, metadata services are never asked.
const RULES: AddressRules = AddressRules { allow_private: true, allow_link_local: false };

/// What an address answered.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Probed {
    /// Column of the address.
    #[schema(example = "url")]
    pub column: String,
    /// A playlist of the protocol of the row answered.
    pub ok: bool,
    /// HTTP status of the last hop; absent when nothing answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<PlaylistKind>,
    /// Variants of a multivariant playlist, representations of an MPD, 1 of a media playlist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renditions: Option<usize>,
    /// Why it is not ok.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PlaylistKind {
    HlsMultivariant,
    HlsMedia,
    Mpd,
}

/// An address to ask. Headers of the stream are not sent: the address may be new, and shall not see stored keys.
#[derive(Debug, Clone)]
pub struct Question {
    pub column: String,
    /// `hls` or `dash`.
    pub protocol: String,
    pub url: String,
}

/// Asks them all, some at a time; those that are not reached by `until` say so. In the order of `questions`.
pub async fn probe_all(questions: Vec<Question>, until: Instant) -> Vec<Probed> {
    let answers = futures_util::stream::iter(questions).map(|question| async move {
        let told = if Instant::now() >= until {
            Err("was not asked: the time of the request was over; import fewer rows at once".to_owned())
        } else {
            match timeout_at(until, timeout(TIMEOUT, ask(&question))).await {
                Ok(Ok(told)) => told,
                Ok(Err(_)) => Err(format!("did not answer within {} s", TIMEOUT.as_secs())),
                Err(_) => Err("did not answer before the time of the request was over".into()),
            }
        };
        told.unwrap_or_else(|reason| Probed {
            column: question.column.clone(),
            ok: false,
            status: None,
            kind: None,
            renditions: None,
            reason: Some(reason),
        })
    });
    answers.buffered(PARALLEL).collect().await
}

async fn ask(question: &Question) -> Result<Probed, String> {
    let mut url = Url::parse(&question.url).map_err(|error| format!("is no address: {error}"))?;
    for _ in 0..=MAX_REDIRECTS {
        check_hop(&url)?;
        let request = client()?.get(url.clone());
        let response = request
            .send()
            .await
            .map_err(|error| format!("does not answer: {}", ow_domain::error::chain(&error.without_url())))?;
        let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        match location.filter(|_| response.status().is_redirection()) {
            Some(location) => url = url.join(location).map_err(|_| "redirects to what is no address".to_owned())?,
            None => return judge(question, response).await,
        }
    }
    Err(format!("redirects more than {MAX_REDIRECTS} times"))
}

/// What the resolver does not see: schemes and addresses written as such.
fn check_hop(url: &Url) -> Result<(), String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("leads to the scheme {:?}, which is not asked", url.scheme()));
    }
    let address = match url.host() {
        Some(Host::Ipv4(v4)) => IpAddr::V4(v4),
        Some(Host::Ipv6(v6)) => IpAddr::V6(v6),
        Some(Host::Domain(_)) => return Ok(()),
        None => return Err("has no host".into()),
    };
    refusal(address, RULES).map_or(Ok(()), |why| Err(format!("leads to a {why}, which is not asked")))
}

async fn judge(question: &Question, mut response: Response) -> Result<Probed, String> {
    let status = response.status().as_u16();
    let mut probed = Probed {
        column: question.column.clone(),
        ok: false,
        status: Some(status),
        kind: None,
        renditions: None,
        reason: None,
    };
    if status != 200 {
        probed.reason = Some(format!("answers {status}, not 200"));
        return Ok(probed);
    }
    let mut body = Vec::new();
    let broken = |error: reqwest::Error| format!("breaks off: {}", ow_domain::error::chain(&error.without_url()));
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > MAX_BODY {
            probed.reason = Some(format!("answers more than {MAX_BODY} bytes, which no playlist has"));
            return Ok(probed);
        }
        body.extend_from_slice(&chunk);
    }
    match playlist(&body) {
        Ok((kind, renditions)) => {
            (probed.kind, probed.renditions) = (Some(kind), Some(renditions));
            let protocol = if kind == PlaylistKind::Mpd { "dash" } else { "hls" };
            if protocol != question.protocol {
                probed.reason = Some(format!("is {protocol}, and the row says {}", question.protocol));
            } else if renditions == 0 {
                probed.reason = Some("is a playlist without a rendition".into());
            }
        }
        Err(what) => probed.reason = Some(format!("answers {what}, no playlist")),
    }
    probed.ok = probed.reason.is_none();
    Ok(probed)
}

/// Kind and number of renditions, or what else it is.
fn playlist(body: &[u8]) -> Result<(PlaylistKind, usize), &'static str> {
    use ow_hls::{LooksLike, Playlist, Sniff, Variables, sniff};
    let what = match sniff(body) {
        Sniff::NotAPlaylist(what) => what,
        _ => {
            return Ok(match ow_hls::parse(body, Variables::default()).0 {
                Playlist::Multivariant(playlist) => (PlaylistKind::HlsMultivariant, playlist.variants.len()),
                Playlist::Media(playlist) => (PlaylistKind::HlsMedia, usize::from(!playlist.segments.is_empty())),
            });
        }
    };
    if let (ow_dash::Document::Mpd(mpd), _) = ow_dash::parse(body) {
        // Those of the first period: later ones show the same again.
        let sets = mpd.periods.first().map(|period| period.adaptation_sets.as_slice()).unwrap_or_default();
        return Ok((PlaylistKind::Mpd, sets.iter().map(|set| set.representations.len()).sum()));
    }
    Err(match what {
        LooksLike::Empty => "nothing",
        LooksLike::Html => "HTML",
        LooksLike::Json => "JSON",
        LooksLike::Xml => "XML",
        LooksLike::Text => "text",
        LooksLike::Binary => "binary data",
    })
}

/// Resolves by the system, and gives only addresses that may be asked.
struct Guarded;

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let good: Vec<SocketAddr> = found.into_iter().filter(|a| refusal(a.ip(), RULES).is_none()).collect();
            if good.is_empty() {
                return Err("it has no address that may be asked".into());
            }
            Ok(Box::new(good.into_iter()) as Addrs)
        })
    }
}

/// Made once: the roots of the system are many.
fn client() -> Result<&'static Client, String> {
    static CLIENT: OnceLock<Result<Client, String>> = OnceLock::new();
    CLIENT.get_or_init(build).as_ref().map_err(Clone::clone)
}

fn build() -> Result<Client, String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .dns_resolver(Guarded)
        .connect_timeout(TIMEOUT)
        .pool_max_idle_per_host(0)
        .user_agent(concat!("ottwatch/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| ow_domain::error::chain(&error))
}
