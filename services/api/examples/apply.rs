//! How long a large configuration takes: documents into PostgreSQL and policies onto the bus, and lists of many channels.
//!
//! `cargo run -p ow-api --example apply [channels]`; real servers, one each, of this machine.

use std::time::{Duration, Instant};

use ow_api::{apply_documents, reconcile_config};
use ow_config::SourceFile;
use ow_domain::config::{ChangedBy, ConfigKind};
use ow_store::config::{ConfigQuery, ConfigSort, FieldTest};
use ow_testkit::{test_bus, test_store};

fn documents(n_channels: usize, path: &str) -> Vec<SourceFile> {
    let mut text = String::from(
        "{apiVersion: ottwatch/v1, kind: Template, metadata: {name: hd}, spec: {depth: head, limits: {originRps: 100}}}\n",
    );
    for n in 0..8 {
        text.push_str(&format!(
            "---\n{{apiVersion: ottwatch/v1, kind: Probe, metadata: {{name: p{n}}}, spec: {{region: r{}}}}}\n",
            n % 3
        ));
    }
    for n in 0..n_channels {
        text.push_str(&format!(
            "---\napiVersion: ottwatch/v1\nkind: Channel\nmetadata:\n  name: ch{n:05}\n  labels: {{group: g{}, tier: t{}}}\nspec:\n  \
             displayName: Channel {n}\n  template: hd\n  packager: packager-{:02}\n  region: r{}\n  probes: [p{}, p{}]\n  streams:\n    \
             - {{name: main, protocol: hls, url: \"http://10.0.0.{}/{n}/{path}.m3u8\"}}\n    \
             - {{name: dash, protocol: dash, url: \"http://10.0.0.{}/{n}/{path}.mpd\"}}\n  overrides:\n    \
             checks: {{overrides: {{hls-playlist-stale: {{severity: major}}}}}}\n",
            n % 20,
            n % 3,
            n % 40,
            n % 3,
            n % 8,
            (n + 1) % 8,
            n % 250,
            n % 250,
        ));
    }
    vec![SourceFile { name: "channels.yaml".into(), text }]
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let n_channels = std::env::args().nth(1).map_or(Ok(1_000), |text| text.parse())?;
    let (bus, store) = (test_bus().await?, test_store().await?);
    let by = ChangedBy { actor: "bench".into(), source: "example".into() };
    for (what, path) in [("create", "a"), ("change", "b"), ("no change", "b")] {
        let files = documents(n_channels, path);
        let start = Instant::now();
        let applied = apply_documents(&store, &files, None, Some(&by)).await?;
        let stored = start.elapsed();
        let report = reconcile_config(&store, &bus).await?;
        let n_changes = applied.plan.create.len() + applied.plan.update.len();
        let (all, n_written) = (start.elapsed(), report.written.len());
        println!(
            "{what}: {n_changes} objects in {stored:.2?}; with {n_written} policies on the bus {all:.2?} ({:.1} MB of YAML)",
            files[0].text.len() as f64 / 1e6
        );
    }
    for (what, query) in [
        ("by name", ConfigQuery::new(ConfigKind::Channel, 101)),
        (
            "last changed",
            ConfigQuery { sort: ConfigSort::ChangedAt, descending: true, ..ConfigQuery::new(ConfigKind::Channel, 101) },
        ),
        (
            "label and packager",
            ConfigQuery {
                labels: [("group".to_owned(), "g7".to_owned())].into(),
                fields: vec![FieldTest::Is("packager", "packager-07".into())],
                ..ConfigQuery::new(ConfigKind::Channel, 101)
            },
        ),
        ("part of the name", ConfigQuery { search: Some("99".into()), ..ConfigQuery::new(ConfigKind::Channel, 101) }),
    ] {
        let mut times: Vec<Duration> = Vec::new();
        let mut n_found = 0;
        for _ in 0..100 {
            let start = Instant::now();
            n_found = store.list_config(&query).await?.len();
            times.push(start.elapsed());
        }
        times.sort_unstable();
        println!("list {what}: {n_found} found, p95 {:.2?}", times[94]);
    }
    Ok(())
}
