//! The site file that is shipped as an example is right for every service, and a wrong one is told.

use std::path::Path;
use std::process::{Command, Output};

const SERVICES: [&str; 7] = ["scheduler", "fetcher", "validator", "alert-router", "notifier", "recorder", "api"];

fn check_config(service: &str, file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ottwatch"))
        .args([service, "--check-config", "--config"])
        .arg(file)
        .env_clear()
        .output()
        .unwrap()
}

#[test]
fn the_example_is_right_for_every_service() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/ottwatch.toml");
    for service in SERVICES {
        let output = check_config(service, &file);
        assert!(output.status.success(), "{service}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_wrong_file_ends_with_78_and_names_every_problem() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.toml");
    std::fs::write(&file, "[nats]\nurl = 5\n[fetcher]\nslots = \"many\"\n[fetchr]\nslots = 1\n").unwrap();
    let output = check_config("fetcher", &file);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{told}");
    for word in ["nats.url", "fetcher.slots", "fetchr"] {
        assert!(told.contains(word), "{word}: {told}");
    }
}

/// What the README tells people to put into `vtv3.yaml`.
#[test]
fn the_documents_of_the_readme_are_right() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let from = readme.find("       apiVersion: ottwatch/v1").expect("README.md shows no document");
    let lines = readme[from..].lines().take_while(|line| line.is_empty() || line.starts_with("       "));
    let text = lines.map(|line| line.get(7..).unwrap_or_default().to_owned() + "\n").collect();
    let file = ow_config::SourceFile { name: "vtv3.yaml".to_owned(), text };
    let documents = ow_config::read(&[file]).unwrap_or_else(|problems| panic!("{problems:?}"));
    let kinds: Vec<String> = documents.iter().map(|document| format!("{:?}", document.object.kind)).collect();
    assert_eq!(kinds, ["Channel", "Receiver", "Route"]);
}
