//! What may depend on what. The table is the architecture; ARCHITECTURE.md draws it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::run;

/// Allowed edges between our packages: package, and what it may use. Development dependencies are not judged.
const EDGES: &[(&str, &[&str])] = &[
    ("ow-domain", &[]),
    ("ow-contracts", &["ow-domain"]),
    ("ow-hls", &[]),
    ("ow-dash", &[]),
    ("ow-media", &["ow-domain"]),
    ("ow-timeline", &["ow-domain", "ow-hls", "ow-dash", "ow-media"]),
    ("ow-checks", &["ow-domain", "ow-hls", "ow-dash", "ow-media", "ow-timeline"]),
    ("ow-alerting", &["ow-domain"]),
    ("ow-config", &["ow-domain", "ow-checks", "ow-alerting"]),
    ("ow-bus", &["ow-domain", "ow-contracts"]),
    ("ow-store", &["ow-domain", "ow-alerting", "ow-config"]),
    ("ow-service", &[]),
    ("ow-local", &[]),
    ("ow-origin", &[]),
    ("ow-testkit", &["ow-domain", "ow-contracts", "ow-bus", "ow-store", "ow-local", "ow-service", "ow-origin"]),
    ("ow-scheduler", SERVICE),
    ("ow-fetcher", SERVICE),
    ("ow-validator", SERVICE),
    ("ow-alert-router", SERVICE),
    ("ow-notifier", SERVICE),
    ("ow-recorder", SERVICE),
    ("ow-api", SERVICE),
    // Measures from outside, and is never shipped.
    (
        "ow-bench",
        &[
            "ow-domain",
            "ow-contracts",
            "ow-media",
            "ow-checks",
            "ow-bus",
            "ow-local",
            "ow-origin",
            "ow-service",
            "ow-fetcher",
            "ow-validator",
        ],
    ),
];

/// What a service may use: never another service, never origin or testkit.
const SERVICE: &[&str] = &[
    "ow-domain",
    "ow-contracts",
    "ow-hls",
    "ow-dash",
    "ow-media",
    "ow-timeline",
    "ow-checks",
    "ow-alerting",
    "ow-config",
    "ow-bus",
    "ow-store",
    "ow-service",
];

/// Client libraries and the only packages that may use them directly.
const HOMES: &[(&str, &[&str])] = &[
    ("async-nats", &["ow-bus"]),
    ("tokio-postgres", &["ow-store"]),
    ("deadpool-postgres", &["ow-store"]),
    ("refinery", &["ow-store"]),
    ("reqwest", &["ow-notifier", "ow-recorder"]),
    ("hyper", &["ow-fetcher", "ow-origin"]),
    ("lettre", &["ow-notifier"]),
    ("async-snmp", &["ow-notifier"]),
    ("axum", &["ow-service", "ow-api", "ow-origin"]),
];

/// Pure packages: no runtime, no client library.
const PURE: &[&str] = &[
    "ow-domain",
    "ow-contracts",
    "ow-hls",
    "ow-dash",
    "ow-media",
    "ow-timeline",
    "ow-checks",
    "ow-alerting",
    "ow-config",
];
const IMPURE: &[&str] = &["tokio", "tracing", "hyper", "async-nats", "tokio-postgres", "reqwest", "libc", "socket2"];

/// Must never be in the tree: one TLS stack, rustls with ring.
const BANNED: &[&str] = &["aws-lc-rs", "aws-lc-sys", "openssl", "openssl-sys", "native-tls"];

/// Two versions of one crate in the shipped binary: allowed only with a reason.
const DUPLICATES: &[(&str, &str)] = &[
    ("base64", "async-nats and lettre are on different majors"),
    ("getrandom", "ring is on 0.2"),
    ("nom", "lettre and x509-parser are on different majors"),
];

const LICENCES: &[&str] = &[
    "Apache-2.0",
    "MIT",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "Unlicense",
    "CC0-1.0",
    "MPL-2.0",
    "Unicode-3.0",
    "Apache-2.0 WITH LLVM-exception",
    "CDLA-Permissive-2.0",
    "BSL-1.0",
    "MIT-0",
];

pub fn check() -> Result<()> {
    let host = run::host_triple()?;
    let text = run::cargo_output(&["metadata", "--format-version", "1", "--locked", "--filter-platform", &host])?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata is not JSON")?;
    let mut faults = Vec::new();
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    for package in packages.iter().filter(|p| p["source"].is_null()) {
        check_edges(package, &mut faults);
    }
    for package in packages {
        let name = name_of(package);
        if BANNED.contains(&name) {
            faults.push(format!(
                "{name} is banned: one TLS stack, rustls with ring; `cargo tree -i {name}` shows who brings it"
            ));
        }
        check_licence(package, &mut faults);
    }
    check_duplicates(&mut faults)?;
    if faults.is_empty() {
        return Ok(());
    }
    bail!("{} faults in the dependencies:\n  {}", faults.len(), faults.join("\n  "))
}

fn name_of(package: &Value) -> &str {
    package["name"].as_str().unwrap_or_default()
}

fn check_edges(package: &Value, faults: &mut Vec<String>) {
    let name = name_of(package);
    let used: BTreeSet<&str> = package["dependencies"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|d| d["kind"].is_null())
        .filter_map(|d| d["name"].as_str())
        .collect();
    if let Some((_, allowed)) = EDGES.iter().find(|(p, _)| *p == name) {
        for ours in used.iter().filter(|d| d.starts_with("ow-") && !allowed.contains(d)) {
            faults.push(format!("{name} -> {ours} is not an allowed edge; allowed: {}", allowed.join(", ")));
        }
    } else if name.starts_with("ow-") && name != "ow-e2e" {
        faults.push(format!("{name} has no row in the table of allowed edges"));
    }
    for (library, homes) in HOMES {
        let free = homes.contains(&name) || matches!(name, "ow-testkit" | "ow-e2e" | "xtask");
        if used.contains(library) && !free {
            faults.push(format!("{name} uses {library}, whose home is {}", homes.join(", ")));
        }
    }
    if PURE.contains(&name) {
        for library in used.iter().filter(|d| IMPURE.contains(d)) {
            faults.push(format!("{name} is pure and may not use {library}"));
        }
    }
}

/// An SPDX expression is allowed when each AND part has an allowed OR alternative.
fn licence_allowed(expression: &str) -> bool {
    expression
        .replace(['(', ')'], " ")
        .replace('/', " OR ")
        .split(" AND ")
        .all(|part| part.split(" OR ").any(|one| LICENCES.contains(&one.trim())))
}

fn check_licence(package: &Value, faults: &mut Vec<String>) {
    let (name, version) = (name_of(package), package["version"].as_str().unwrap_or_default());
    match package["license"].as_str() {
        Some(expression) if licence_allowed(expression) => {}
        Some(expression) => {
            faults.push(format!("{name} {version} has the licence {expression:?}, which is not on the list"))
        }
        None => faults.push(format!("{name} {version} names no licence")),
    }
}

fn check_duplicates(faults: &mut Vec<String>) -> Result<()> {
    let tree = run::cargo_output(&[
        "tree",
        "--package",
        "ottwatch",
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "none",
        "--locked",
    ])?;
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            versions.entry(name).or_default().insert(version);
        }
    }
    for (name, versions) in versions.iter().filter(|(_, v)| v.len() > 1) {
        if !DUPLICATES.iter().any(|(allowed, _)| allowed == name) {
            let list: Vec<&str> = versions.iter().copied().collect();
            faults
                .push(format!("{name} is in the binary in versions {}; agree on one or add a reason", list.join(", ")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licence_expressions() {
        for (expression, allowed) in [
            ("MIT OR Apache-2.0", true),
            ("MIT/Apache-2.0", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("GPL-3.0", false),
            ("GPL-3.0 OR MIT", true),
            ("MIT AND GPL-3.0", false),
        ] {
            assert_eq!(licence_allowed(expression), allowed, "{expression}");
        }
    }

    #[test]
    fn a_forbidden_edge_is_told() {
        let package = serde_json::json!({"name": "ow-hls", "dependencies": [
            {"name": "ow-domain", "kind": null}, {"name": "tokio", "kind": null}, {"name": "async-nats", "kind": "dev"}]});
        let mut faults = Vec::new();
        check_edges(&package, &mut faults);
        assert_eq!(faults.len(), 2, "{faults:?}");
    }
}
