//! What may depend on what. The table is the architecture; ARCHITECTURE.md draws it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

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
    ("ow-store", &["ow-domain"]),
    ("ow-service", &["ow-domain"]),
    ("ow-fuzz", &[]),
    ("ow-local", &[]),
    ("ow-origin", &[]),
    ("ow-testkit", &["ow-domain", "ow-contracts", "ow-bus", "ow-store", "ow-local"]),
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
            "ow-store",
            "ow-api",
        ],
    ),
];

/// Packages that may use everything of ours, and nothing of ours may use them: the binary, tests over all, measurements, this.
const TOPS: &[&str] = &["ottwatch", "ow-e2e", "ow-faults", "ow-bench", "xtask"];

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
    ("reqwest", &["ow-notifier", "ow-recorder", "ow-api", "ottwatch"]),
    ("hyper", &["ow-api", "ow-fetcher", "ow-origin"]),
    ("hyper-util", &["ow-api", "ow-fetcher", "ow-origin"]),
    ("tokio-rustls", &["ow-api", "ow-fetcher"]),
    ("x509-parser", &["ow-fetcher"]),
    ("flate2", &["ow-fetcher"]),
    ("argon2", &["ow-api"]),
    ("ring", &["ow-fetcher", "ow-service", "ow-api"]),
    ("aes", &["ow-media", "ow-origin"]),
    ("csv", &["ow-config"]),
    ("saphyr-parser", &["ow-config"]),
    ("quick-xml", &["ow-dash"]),
    ("regex", &["ow-checks"]),
    ("zstd", &["ow-contracts", "ow-bus", "ow-store"]),
    ("libc", &["ow-local"]),
    ("clap", &["ottwatch"]),
    ("clap_complete", &["ottwatch"]),
    ("similar", &["ow-api"]),
    ("lettre", &["ow-notifier"]),
    ("async-snmp", &["ow-notifier"]),
    ("axum", &["ow-service", "ow-api"]),
    ("utoipa", &["ow-api"]),
    ("utoipa-axum", &["ow-api"]),
];

/// Pure packages: no runtime, no client library.
pub const PURE: &[&str] = &[
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

/// What the source of a pure package may not say outside its tests: clock, files, sockets, environment, threads.
const IMPURE_WORDS: &[&str] = &[
    "std::fs",
    "std::net::T",
    "std::net::U",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Uuid::new_v4",
    "Uuid::now_v7",
    "println!",
];

/// Must never be in the tree: one TLS stack, rustls with ring.
const BANNED: &[&str] = &["aws-lc-rs", "aws-lc-sys", "openssl", "openssl-sys", "native-tls"];

/// Two versions of one crate in the shipped binary: allowed only with a reason.
const DUPLICATES: &[(&str, &str)] = &[
    ("base64", "async-nats and lettre are on different majors"),
    ("getrandom", "ring is on 0.2"),
    ("nom", "lettre and x509-parser are on different majors"),
];

const LICENCES: &[&str] =
    &["Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Zlib", "0BSD", "Unlicense", "Unicode-3.0"];

pub fn check() -> Result<()> {
    let host = run::host_triple()?;
    let text = run::cargo_output(&["metadata", "--format-version", "1", "--locked", "--filter-platform", &host])?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata is not JSON")?;
    let mut faults = Vec::new();
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    for package in packages.iter().filter(|p| p["source"].is_null()) {
        check_edges(package, &mut faults);
        check_purity(package, &mut faults)?;
    }
    check_rows(packages, &mut faults);
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
    } else if !TOPS.contains(&name) {
        faults.push(format!("{name} has no row in the table of allowed edges"));
    }
    for (library, homes) in HOMES {
        // Stand-ins for the far side, tests and measurements speak to anything.
        let free = homes.contains(&name) || matches!(name, "ow-testkit" | "ow-e2e" | "ow-bench" | "xtask");
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

/// Rows of the tables that say nothing any more.
fn check_rows(packages: &[Value], faults: &mut Vec<String>) {
    let uses = |package: &str, library: &str| {
        let dependencies = packages.iter().find(|p| name_of(p) == package).and_then(|p| p["dependencies"].as_array());
        dependencies.into_iter().flatten().any(|d| d["name"] == library)
    };
    for (package, _) in EDGES {
        if !packages.iter().any(|p| name_of(p) == *package) {
            faults.push(format!("the table of allowed edges has a row for {package}, which does not exist"));
        }
    }
    for (library, homes) in HOMES {
        for home in homes.iter().filter(|home| !uses(home, library)) {
            faults.push(format!("{home} is named a home of {library} and does not use it"));
        }
    }
}

/// Reads the sources of a pure package up to each file's tests.
fn check_purity(package: &Value, faults: &mut Vec<String>) -> Result<()> {
    let name = name_of(package);
    if !PURE.contains(&name) {
        return Ok(());
    }
    let manifest = Path::new(package["manifest_path"].as_str().context("a package without manifest")?);
    let mut folders = vec![manifest.with_file_name("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
                let text = fs::read_to_string(&path)?;
                for (number, line) in impure_lines(&text) {
                    faults.push(format!("{name} is pure: {}:{number}: {line}", path.display()));
                }
            }
        }
    }
    Ok(())
}

fn impure_lines(source: &str) -> Vec<(usize, &str)> {
    source
        .lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.trim()))
        .take_while(|(_, line)| *line != "#[cfg(test)]")
        .filter(|(_, line)| !line.starts_with("//") && IMPURE_WORDS.iter().any(|word| line.contains(word)))
        .collect()
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
    for (name, _) in DUPLICATES {
        if versions.get(name).is_none_or(|v| v.len() < 2) {
            faults.push(format!("{name} is no longer in the binary twice: remove its row"));
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
    fn words_of_the_outside_are_found_before_the_tests_only() {
        let source = "// std::fs is not for us\nlet now = SystemTime::now();\n#[cfg(test)]\nmod tests { use std::fs; }";
        assert_eq!(impure_lines(source), [(2, "let now = SystemTime::now();")]);
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
