//! The network address of who asks, also behind a proxy.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;

use super::config::Network;

/// The address of the connection, or, if that is a trusted proxy, what it says: of `X-Forwarded-For` the last address
/// that is none of a trusted proxy. What stands before it anybody could have written.
pub fn address(parts: &Parts, trusted: &[Network]) -> IpAddr {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip().to_canonical());
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer) {
        return peer;
    }
    let lines: Vec<&str> =
        parts.headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
    let mut last = peer;
    for part in lines.iter().flat_map(|line| line.split(',')).collect::<Vec<_>>().into_iter().rev().take(32) {
        // A word that is no address ends what can be believed.
        let Ok(address) = part.trim().parse::<IpAddr>() else { return last };
        last = address.to_canonical();
        if !is_trusted(last) {
            return last;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted: Vec<Network> = ["127.0.0.1", "10.0.0.0/8"].iter().map(|n| n.parse().unwrap()).collect();
        for (peer, forwarded, expected) in [
            ("192.0.2.1", None, "192.0.2.1"),
            ("192.0.2.1", Some("198.51.100.1"), "192.0.2.1"),
            ("127.0.0.1", None, "127.0.0.1"),
            ("127.0.0.1", Some("198.51.100.1"), "198.51.100.1"),
            ("127.0.0.1", Some("203.0.113.66, 198.51.100.1"), "198.51.100.1"),
            ("127.0.0.1", Some("198.51.100.1, 10.1.1.1"), "198.51.100.1"),
            ("127.0.0.1", Some("198.51.100.1, nonsense"), "127.0.0.1"),
            ("127.0.0.1", Some("198.51.100.1, nonsense, 10.1.1.1"), "10.1.1.1"),
            ("127.0.0.1", Some("2001:db8::1"), "2001:db8::1"),
        ] {
            let mut request = Request::builder();
            if let Some(forwarded) = forwarded {
                request = request.header("x-forwarded-for", forwarded);
            }
            let (mut parts, ()) = request.body(()).unwrap().into_parts();
            parts.extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
            assert_eq!(address(&parts, &trusted), expected.parse::<IpAddr>().unwrap(), "{peer} {forwarded:?}");
        }
    }
}
