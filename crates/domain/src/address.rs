//! Which addresses may be asked. Playlists, redirects and lists of channels come from outside: without this rule they could
//! make us read the metadata service of our own machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is allowed beyond public addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressRules {
    /// Loopback, RFC 1918, carrier-grade NAT (RFC 6598) and unique local addresses.
    pub allow_private: bool,
    /// Link-local addresses, metadata services included.
    pub allow_link_local: bool,
}

/// Why `address` may not be asked, or `None`.
pub fn refusal(address: IpAddr, rules: AddressRules) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => refusal_v4(v4, rules),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => refusal_v4(v4, rules),
            None => refusal_v6(v6, rules),
        },
    }
}

fn refusal_v4(a: Ipv4Addr, rules: AddressRules) -> Option<&'static str> {
    let [o0, o1, ..] = a.octets();
    if o0 == 0 {
        return Some("unspecified address");
    }
    if a.is_multicast() {
        return Some("multicast address");
    }
    if a.is_broadcast() {
        return Some("broadcast address");
    }
    if a.is_link_local() || a == Ipv4Addr::new(100, 100, 100, 200) {
        // 100.100.100.200 is a metadata service inside RFC 6598 space.
        return (!rules.allow_link_local).then_some("link-local or metadata service address");
    }
    let shared = o0 == 100 && (64..128).contains(&o1);
    if a.is_loopback() || a.is_private() || shared {
        return (!rules.allow_private).then_some("private address");
    }
    (o0 >= 240).then_some("reserved address")
}

fn refusal_v6(a: Ipv6Addr, rules: AddressRules) -> Option<&'static str> {
    const EC2_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    if a.is_unspecified() {
        return Some("unspecified address");
    }
    if a.is_multicast() {
        return Some("multicast address");
    }
    if a.is_unicast_link_local() || a == EC2_METADATA {
        return (!rules.allow_link_local).then_some("link-local or metadata service address");
    }
    // fec0::/10 is the old site-local space, still routed privately where it is used.
    let site_local = a.segments()[0] & 0xffc0 == 0xfec0;
    if a.is_loopback() || a.is_unique_local() || site_local {
        return (!rules.allow_private).then_some("private address");
    }
    None
}

/// The IPv4 address that a mapped (`::ffff:0:0/96`), compatible (`::/96`), NAT64 (`64:ff9b::/96`) or 6to4 (`2002::/16`)
/// address leads to.
fn embedded_v4(a: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = a.segments();
    let low = Ipv4Addr::from(((u32::from(s[6])) << 16) | u32::from(s[7]));
    match s {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(low),
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0, ..] => Some(low),
        [0x2002, high, low, ..] => Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, expected: [bool; 4]) {
        let ip: IpAddr = address.parse().unwrap();
        let allowed =
            [(false, false), (true, false), (false, true), (true, true)].map(|(allow_private, allow_link_local)| {
                refusal(ip, AddressRules { allow_private, allow_link_local }).is_none()
            });
        assert_eq!(allowed, expected, "{address}: strict, private, link-local, both");
    }

    #[test]
    fn only_what_is_allowed_may_be_asked() {
        const PUBLIC: [bool; 4] = [true; 4];
        const NEVER: [bool; 4] = [false; 4];
        const PRIVATE: [bool; 4] = [false, true, false, true];
        const LINK_LOCAL: [bool; 4] = [false, false, true, true];
        for (address, expected) in [
            ("93.184.216.34", PUBLIC),
            ("2606:2800:220:1::1", PUBLIC),
            ("100.63.255.255", PUBLIC),
            ("172.32.0.1", PUBLIC),
            ("127.0.0.1", PRIVATE),
            ("127.8.8.8", PRIVATE),
            ("10.1.2.3", PRIVATE),
            ("172.16.0.1", PRIVATE),
            ("192.168.1.1", PRIVATE),
            ("100.64.0.1", PRIVATE),
            ("::1", PRIVATE),
            ("fd12::1", PRIVATE),
            ("fec0::1", PRIVATE),
            ("::ffff:127.0.0.1", PRIVATE),
            ("::ffff:10.0.0.1", PRIVATE),
            ("::127.0.0.1", PRIVATE),
            ("64:ff9b::10.0.0.1", PRIVATE),
            ("2002:7f00:1::", PRIVATE),
            ("169.254.169.254", LINK_LOCAL),
            ("169.254.0.1", LINK_LOCAL),
            ("100.100.100.200", LINK_LOCAL),
            ("fe80::1", LINK_LOCAL),
            ("febf::1", LINK_LOCAL),
            ("fd00:ec2::254", LINK_LOCAL),
            ("::ffff:169.254.169.254", LINK_LOCAL),
            ("64:ff9b::169.254.169.254", LINK_LOCAL),
            ("2002:a9fe:a9fe::1", LINK_LOCAL),
            ("0.0.0.0", NEVER),
            ("0.1.2.3", NEVER),
            ("::", NEVER),
            ("::ffff:0.0.0.0", NEVER),
            ("224.0.0.1", NEVER),
            ("239.255.255.250", NEVER),
            ("ff02::1", NEVER),
            ("255.255.255.255", NEVER),
            ("240.0.0.1", NEVER),
        ] {
            check(address, expected);
        }
    }
}
