//! What the documents say of the tree is true: crates, commands, links.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{deps, run};

fn read(path: impl AsRef<Path>) -> String {
    let path = run::root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Rows of the first table below a heading, cells trimmed and without backticks; head and rule are left out.
fn table(text: &str, heading: &str) -> Vec<Vec<String>> {
    let below = text.split_once(heading).unwrap_or_else(|| panic!("no heading {heading}")).1;
    let rows = below.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.skip(2)
        .map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect())
        .collect()
}

fn folders(below: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(run::root().join(below)).unwrap().map(|entry| entry.unwrap().path());
    let folders = entries.filter(|path| path.join("Cargo.toml").is_file());
    folders.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn the_table_of_crates_is_the_workspace() {
    let rows = table(&read("ARCHITECTURE.md"), "\n## Crates\n");
    let told: BTreeSet<String> = rows.iter().map(|row| row[0].clone()).collect();
    assert_eq!(told, folders("crates"));
    for row in rows {
        let pure = deps::PURE.contains(&format!("ow-{}", row[0]).as_str());
        assert_eq!(row[2] == "pure", pure, "{} is told to be {}", row[0], row[2]);
    }
}

#[test]
fn services_are_named_in_the_readme() {
    let readme = read("README.md");
    let row = readme.lines().find(|line| line.starts_with("| `services/`")).expect("README.md has no row services/");
    for service in folders("services") {
        assert!(row.contains(&service), "README.md does not name the service {service}");
    }
}

#[test]
fn the_two_commands_exist() {
    let (readme, makefile, ci) = (read("README.md"), read("Makefile"), read(".ci/run"));
    for command in ["run", "test"] {
        assert!(readme.contains(&format!("    make {command} ")), "README.md does not name make {command}");
        assert!(makefile.contains(&format!("\n{command}: ## ")), "the Makefile has no target {command}");
    }
    assert!(ci.contains("make test"), ".ci/run does not call make test");
    let check = makefile.split_once("\ntest: ## ").unwrap().1;
    assert!(check.lines().nth(1).unwrap().ends_with("cargo xtask check"));
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut pages: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "deploy/README.md"].map(PathBuf::from).to_vec();
    for folder in ["docs", "docs/adr", "docs/checks"] {
        let entries = fs::read_dir(run::root().join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
        pages.extend(entries.filter(|n| n.to_string_lossy().ends_with(".md")).map(|name| Path::new(folder).join(name)));
    }
    for page in pages {
        let text = read(&page);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        for target in targets.filter(|target| !target.contains("://") && !target.starts_with('#')) {
            let path = page.parent().unwrap().join(target.split('#').next().unwrap());
            assert!(run::root().join(&path).exists(), "{}: the link {target} leads nowhere", page.display());
        }
    }
}

#[test]
fn the_compose_file_runs_every_service() {
    let text = read("deploy/compose.yaml");
    let mut n_events = 0;
    for event in saphyr_parser::Parser::new_from_str(&text) {
        event.unwrap_or_else(|error| panic!("deploy/compose.yaml: {error}"));
        n_events += 1;
    }
    assert!(n_events > 100, "deploy/compose.yaml has {n_events} events");
    let users = read("nats.conf");
    let scraped = read("deploy/prometheus.yml");
    for service in folders("services").iter().filter(|name| *name != "ottwatch") {
        let entry = format!("\n  {service}:\n");
        let body = text.split_once(&entry).unwrap_or_else(|| panic!("deploy/compose.yaml does not run {service}")).1;
        let body = body.split("\n\n").next().unwrap();
        assert!(body.contains(&format!("command: [{service}]")), "{service}: {body}");
        assert!(body.contains(&format!("OTTWATCH_NATS__USER: {service}}}")), "{service}: {body}");
        assert!(users.contains(&format!("user: \"{service}\"")), "nats.conf has no user {service}");
        assert!(scraped.contains(&format!("\"{service}:9090\"")), "deploy/prometheus.yml does not scrape {service}");
        let secret = format!("\n  nats-{service}: {{file: secrets/nats-{service}}}\n");
        assert!(text.contains(&secret), "deploy/compose.yaml declares no secret nats-{service}");
    }
}

/// Names in `register("name", ...)`, in the sources of services.
fn registered(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            registered(&path, names);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            let calls = source.split(".register(").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
            names.extend(calls.filter_map(|rest| rest.split_once('"')).map(|(name, _)| name.to_owned()));
        }
    }
}

#[test]
fn every_metric_is_in_the_service_specification() {
    let mut names = BTreeSet::new();
    for service in folders("services") {
        registered(&run::root().join("services").join(service).join("src"), &mut names);
    }
    let rows = table(&read("docs/service-spec.md"), "\n## Metrics\n");
    let told: BTreeSet<String> =
        rows.iter().map(|row| row[0].trim_start_matches("ottwatch_").trim_end_matches("_total").to_owned()).collect();
    assert_eq!(told, names);
}
