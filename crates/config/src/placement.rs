//! Which probes watch a channel, given that some drain.
//!
//! A probe that drains gives its channels to others: each of its channels goes to one other probe of the same region
//! that does not watch it yet; when there is none, to the probes that watch it anyway; when there is none of these
//! either, to any probe. A channel that nobody else could watch stays where it is: a late drain is better than a blind
//! eye. The choice is that of the highest hash, so that it spreads, and changes little when probes come and go.

use std::collections::BTreeMap;

use ow_domain::ProbeId;
use ow_domain::config::{ConfigKind, ConfigObject};
use ow_domain::policy::ChannelPolicy;

struct Probe<'a> {
    region: Option<&'a str>,
    drains: bool,
}

/// Moves the channels of probes that drain.
pub(crate) fn place(policies: &mut [ChannelPolicy], objects: &[ConfigObject]) {
    let probes: BTreeMap<&str, Probe<'_>> = objects
        .iter()
        .filter(|o| o.kind == ConfigKind::Probe)
        .map(|o| {
            let drains = o.spec["drain"].as_bool().unwrap_or(false);
            (o.name.as_str(), Probe { region: o.spec["region"].as_str(), drains })
        })
        .collect();
    if !probes.values().any(|probe| probe.drains) {
        return;
    }
    let drains = |name: &ProbeId| probes.get(name.as_str()).is_some_and(|probe| probe.drains);
    for policy in policies.iter_mut().filter(|policy| policy.probes.iter().any(drains)) {
        let channel = policy.channel.to_string();
        let mut kept: Vec<ProbeId> = policy.probes.iter().filter(|name| !drains(name)).cloned().collect();
        let best = |taken: &[ProbeId], region: Option<Option<&str>>| {
            let free = probes.iter().filter(|(name, probe)| {
                !probe.drains
                    && region.is_none_or(|region| probe.region == region)
                    && !taken.iter().any(|taken| taken.as_str() == **name)
            });
            let (name, _) = free.max_by_key(|(name, _)| weight(&channel, name))?;
            ProbeId::new(name).ok()
        };
        for draining in policy.probes.iter().filter(|name| drains(name)) {
            let region = probes.get(draining.as_str()).and_then(|probe| probe.region);
            kept.extend(best(&kept, Some(region)));
        }
        if kept.is_empty() {
            kept.extend(best(&kept, None));
        }
        if !kept.is_empty() {
            policy.probes = kept;
        }
    }
}

/// FNV-1a with a finish that mixes the last characters well.
fn weight(channel: &str, probe: &str) -> u64 {
    let bytes = channel.bytes().chain([0]).chain(probe.bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ow_domain::Slug;
    use serde_json::{Value, json};

    use super::*;
    use crate::compile_all;

    fn object(kind: ConfigKind, name: &str, spec: Value) -> ConfigObject {
        ConfigObject { kind, name: Slug::new(name).unwrap(), labels: BTreeMap::new(), spec, revision: 1 }
    }

    /// Probes as (name, region, drains); the probes of channel `c` that lists `listed`.
    fn check(probes: &[(&str, &str, bool)], listed: &[&str], expected: &[&str]) {
        let mut objects: Vec<ConfigObject> = probes
            .iter()
            .map(|(name, region, drain)| object(ConfigKind::Probe, name, json!({"region": region, "drain": drain})))
            .collect();
        objects.push(object(ConfigKind::Channel, "c", json!({"probes": listed, "streams": []})));
        let (policies, _) = compile_all(&objects);
        let found: Vec<&str> = policies[0].probes.iter().map(ProbeId::as_str).collect();
        assert_eq!(found, expected, "{probes:?} {listed:?}");
    }

    #[test]
    fn channels_of_a_draining_probe_go_to_others() {
        check(&[("a", "hcm", false), ("b", "hcm", false)], &["a"], &["a"]);
        check(&[("a", "hcm", true), ("b", "hcm", false), ("x", "hn", false)], &["a"], &["b"]);
        check(&[("a", "hcm", true), ("b", "hcm", false), ("x", "hn", false)], &["a", "x"], &["x", "b"]);
        // Nobody else in the region: those that watch it anyway, else anybody, else nobody moves.
        check(&[("a", "hcm", true), ("x", "hn", false), ("y", "hn", false)], &["a", "x"], &["x"]);
        check(&[("a", "hcm", true), ("x", "hn", false)], &["a"], &["x"]);
        check(&[("a", "hcm", true), ("b", "hcm", true)], &["a", "b"], &["a", "b"]);
        // A probe that nothing is known of is left alone.
        check(&[("a", "hcm", true), ("b", "hcm", false)], &["ghost", "a"], &["ghost", "b"]);
    }

    #[test]
    fn they_spread_over_the_others() {
        let mut objects: Vec<ConfigObject> = (0..5)
            .map(|n| object(ConfigKind::Probe, &format!("p{n}"), json!({"region": "hcm", "drain": n == 0})))
            .collect();
        for n in 0..400 {
            objects.push(object(ConfigKind::Channel, &format!("c{n}"), json!({"probes": ["p0"], "streams": []})));
        }
        let (policies, _) = compile_all(&objects);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for policy in &policies {
            assert_eq!(policy.probes.len(), 1);
            *counts.entry(policy.probes[0].to_string()).or_default() += 1;
        }
        assert_eq!(
            counts.keys().map(String::as_str).collect::<BTreeSet<_>>(),
            BTreeSet::from(["p1", "p2", "p3", "p4"])
        );
        assert!(counts.values().all(|n| (60..=140).contains(n)), "{counts:?}");
    }
}
