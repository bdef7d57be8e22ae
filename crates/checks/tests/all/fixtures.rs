//! Runs every fixture and checks the catalogue against its files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ow_checks::hold::MAX_WINDOW;
use ow_checks::notation::{parse_clear, parse_hold};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(below: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().into_owned()
}

#[test]
fn every_fixture_gives_exactly_its_findings() {
    let mut failures = Vec::new();
    let mut n_cases = 0;
    for path in files(&root().join("fixtures"), "md") {
        if path.file_name().is_some_and(|f| f == "README.md") {
            continue;
        }
        for case in crate::script::cases(&name(&path), &fs::read_to_string(&path).unwrap()) {
            n_cases += 1;
            if let Err(error) = std::panic::catch_unwind(|| crate::script::run(&case)) {
                let text = error.downcast_ref::<String>().cloned();
                failures
                    .push(text.or_else(|| error.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default());
            }
        }
    }
    assert!(failures.is_empty(), "{} of {n_cases} cases:\n{}", failures.len(), failures.join("\n"));
    assert!(n_cases >= 2 * ow_checks::all().len(), "{n_cases} cases");
}

#[test]
fn every_check_has_a_case_that_fires_and_one_that_stays_quiet() {
    for check in ow_checks::all() {
        let path = root().join(format!("fixtures/{}/{}.md", check.family(), stem(check)));
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", name(&path)));
        assert!(text.starts_with(&format!("# {}\n", check.id)), "{}: the title is the id", name(&path));
        let cases = crate::script::cases(&name(&path), &text);
        let of = |kind: &str| cases.iter().filter(|c| c.name.starts_with(kind)).collect::<Vec<_>>();
        let (fires, quiet) = (of("fires"), of("quiet"));
        assert!(!fires.is_empty() && !quiet.is_empty(), "{}: one case fires, one stays quiet", name(&path));
        let finds = |case: &crate::script::Case| crate::script::run(case).iter().any(|f| f.check == check.id);
        for case in fires {
            assert!(finds(case), "{}: {} does not fire", name(&path), case.name);
        }
        for case in quiet {
            assert!(!finds(case), "{}: {} fires", name(&path), case.name);
        }
    }
}

/// Id without its family.
fn stem(check: &ow_checks::CheckDef) -> &'static str {
    &check.id[check.family().len() + 1..]
}

#[test]
fn the_catalogue_and_the_files_agree() {
    let mut listed = BTreeSet::new();
    for check in ow_checks::all() {
        let (family, stem) = (check.family(), stem(check));
        assert!(!family.is_empty(), "{} has no known family", check.id);
        let path = format!("src/{}/{}.rs", family.replace('-', "_"), stem.replace('-', "_"));
        assert!(check.file.ends_with(&path), "{} is in {}, expected {path}", check.id, check.file);
        assert!(listed.insert(path), "{} is listed twice", check.id);

        let starts = ["Detects:", "Matters:", "Usual causes:", "Stays quiet:"];
        assert_eq!(check.doc.len(), 4, "{}: four doc lines", check.id);
        for (line, start) in check.doc.iter().zip(starts) {
            assert!(line.trim().starts_with(start) && line.trim().len() > start.len() + 10, "{}: {line}", check.id);
        }
        assert!(!check.title.is_empty() && check.title.len() <= 60, "{}: title", check.id);
        assert!(!check.spec.is_empty(), "{}: no spec", check.id);
        let hold = parse_hold(check.hold).unwrap_or_else(|e| panic!("{}: {e}", check.id));
        assert!(!hold.0.is_empty() && parse_clear(check.clear).is_ok(), "{}: hold or clear", check.id);
        for param in check.params {
            assert!(!param.unit.is_empty() && param.default.is_finite(), "{}: {}", check.id, param.name);
        }
    }
    let folders = ow_checks::registry::FAMILIES.map(|family| family.replace('-', "_"));
    for path in folders.iter().flat_map(|family| files(&root().join("src").join(family), "rs")) {
        let path = name(&path);
        assert!(path.ends_with("mod.rs") || listed.contains(&path), "{path} is in no list");
    }
    const { assert!(MAX_WINDOW >= 20) };
}

#[test]
fn every_check_has_a_page() {
    let pages = ow_checks::docs_markdown();
    assert_eq!(pages.len(), ow_checks::all().len() + 1);
    for (path, text) in &pages[1..] {
        assert!(text.contains("**Detects:**") && text.contains("**Stays quiet:**"), "{path}:\n{text}");
    }
}
