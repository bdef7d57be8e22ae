//! `ottwatch apply`, `export` and `diff`: files in, problems and plans out. Results go to standard output, problems to
//! standard error.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ow_api::{Applied, ApplyError, apply_documents, reconcile_config};
use ow_bus::Bus;
use ow_config::{Owner, SourceFile};
use ow_domain::config::{ChangedBy, ConfigKind};
use ow_service::Exit;
use ow_service::telemetry::chain;
use ow_store::{Store, StoreError};

/// Deepest folder below the one that is given.
const MAX_DEPTH: usize = 16;
/// Most files of one call.
const MAX_FILES: usize = 10_000;

/// A file or folder that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{path}: cannot be read")]
    Read {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("{path}: holds no .yaml or .yml file")]
    Empty { path: String },
    #[error("{path}: more than {MAX_FILES} files, or folders deeper than {MAX_DEPTH}")]
    TooMany { path: String },
}

/// What `apply` and `diff` are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApplyOptions {
    /// Only tell what would change.
    pub dry_run: bool,
    /// On whose behalf.
    pub owner: Option<Owner>,
}

/// Reads files, and the `.yaml` and `.yml` files of folders and the folders in them, in the order of their names.
/// `-` is standard input. Names that start with a dot are passed over.
pub fn load_paths(paths: &[PathBuf]) -> Result<Vec<SourceFile>, LoadError> {
    let mut files = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let text = io::read_to_string(io::stdin().lock());
            let text = text.map_err(|source| LoadError::Read { path: "standard input".into(), source })?;
            files.push(SourceFile { name: "<stdin>".into(), text });
            continue;
        }
        let before = files.len();
        load(path, 0, &mut files)?;
        if files.len() == before {
            return Err(LoadError::Empty { path: path.display().to_string() });
        }
    }
    Ok(files)
}

fn load(path: &Path, depth: usize, files: &mut Vec<SourceFile>) -> Result<(), LoadError> {
    let shown = || path.display().to_string();
    let failed = |source| LoadError::Read { path: shown(), source };
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        if files.len() >= MAX_FILES {
            return Err(LoadError::TooMany { path: shown() });
        }
        let size = fs::metadata(path).map_err(failed)?.len();
        if size > ow_config::yaml::MAX_FILE_BYTES as u64 {
            let reason = format!("{size} bytes are more than the {} allowed", ow_config::yaml::MAX_FILE_BYTES);
            return Err(failed(io::Error::other(reason)));
        }
        files.push(SourceFile { name: shown(), text: fs::read_to_string(path).map_err(failed)? });
        return Ok(());
    }
    if depth >= MAX_DEPTH {
        return Err(LoadError::TooMany { path: shown() });
    }
    let entries: Result<Vec<_>, _> = fs::read_dir(path).map_err(failed)?.collect();
    let mut entries: Vec<PathBuf> = entries.map_err(failed)?.into_iter().map(|entry| entry.path()).collect();
    entries.sort();
    for entry in entries {
        let is_hidden = entry.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let is_yaml = entry.extension().is_some_and(|e| e == "yaml" || e == "yml");
        if !is_hidden && (is_yaml || entry.is_dir()) {
            load(&entry, depth + 1, files)?;
        }
    }
    Ok(())
}

/// Applies the documents of files or folders as one change, then publishes the policies, so that running services take
/// them at once; without a bus the api does it within seconds.
pub async fn apply(store: &Store, bus: Option<&Bus>, paths: &[PathBuf], options: ApplyOptions) -> Exit {
    let files = match load_paths(paths) {
        Ok(files) => files,
        Err(error) => {
            eprintln!("{}", chain(&error));
            return Exit::Config;
        }
    };
    let by = ChangedBy { actor: actor(), source: "cli".into() };
    apply_files(store, bus, &files, options, &by, &mut io::stdout().lock()).await
}

/// The same with documents that are read already; `ottwatch up` uses it for its demo.
pub async fn apply_files(
    store: &Store,
    bus: Option<&Bus>,
    files: &[SourceFile],
    options: ApplyOptions,
    by: &ChangedBy,
    out: &mut impl Write,
) -> Exit {
    let applied = match apply_documents(store, files, options.owner.as_ref(), (!options.dry_run).then_some(by)).await {
        Ok(applied) => applied,
        Err(error) => return refused(&error),
    };
    let Applied { plan, revision } = applied;
    let state = match (options.dry_run, plan.is_empty()) {
        (true, _) => "dry run: nothing was changed".to_owned(),
        (false, true) => format!("nothing to change; configuration revision {revision}"),
        (false, false) => format!("applied; configuration revision {revision}"),
    };
    // A closed pipe is the reader's wish.
    let _ = writeln!(out, "{plan}\n{state}");
    if options.dry_run {
        return Exit::Ok;
    }
    let Some(bus) = bus else { return Exit::Ok };
    match reconcile_config(store, bus).await {
        Ok(report) => {
            for error in &report.invalid {
                eprintln!("{error}");
            }
        }
        // The configuration is stored; the api publishes it as soon as the bus answers.
        Err(error) => eprintln!("applied, but not published yet: {}", chain(&error)),
    }
    Exit::Ok
}

/// Prints the stored configuration, all of it or one kind, as documents that `apply` takes back.
pub async fn export(store: &Store, kind: Option<&str>) -> Exit {
    let kind: Option<ConfigKind> = match kind.map(str::parse).transpose() {
        Ok(kind) => kind,
        Err(error) => {
            eprintln!("--kind: {error}");
            return Exit::Usage;
        }
    };
    match store.load_config().await {
        Ok(snapshot) => {
            let mut objects = snapshot.objects;
            objects.retain(|object| kind.is_none_or(|kind| object.kind == kind));
            let _ = io::stdout().lock().write_all(
                ow_config::export(&objects.into_iter().map(ow_config::without_secrets).collect::<Vec<_>>()).as_bytes(),
            );
            Exit::Ok
        }
        Err(error) => refused(&ApplyError::Store(error)),
    }
}

/// Prints what `apply` would change. Ends with 0 when nothing would, else with 1, as `diff` does.
pub async fn diff(store: &Store, paths: &[PathBuf], owner: Option<&Owner>) -> Exit {
    let files = match load_paths(paths) {
        Ok(files) => files,
        Err(error) => {
            eprintln!("{}", chain(&error));
            return Exit::Config;
        }
    };
    match apply_documents(store, &files, owner, None).await {
        Ok(applied) => {
            let _ = writeln!(io::stdout().lock(), "{}", applied.plan);
            if applied.plan.is_empty() { Exit::Ok } else { Exit::Warning }
        }
        Err(error) => refused(&error),
    }
}

fn refused(error: &ApplyError) -> Exit {
    match error {
        ApplyError::Invalid(problems) => {
            for problem in problems {
                eprintln!("{problem}");
            }
            let n = problems.len();
            eprintln!("{n} problem{}; nothing was changed", if n == 1 { "" } else { "s" });
            Exit::Config
        }
        ApplyError::Empty => {
            eprintln!("the files describe nothing; nothing was changed");
            Exit::Config
        }
        ApplyError::Seal(error) => {
            eprintln!("nothing was changed: a secret cannot be sealed: {error}");
            Exit::Config
        }
        ApplyError::Store(StoreError::Conflict { .. }) => {
            eprintln!("the configuration is being changed by somebody else; nothing was changed, try again");
            Exit::Failure
        }
        ApplyError::Store(store) => {
            eprintln!("nothing was changed: {}", store.chain());
            if store.is_retryable() { Exit::Unavailable } else { Exit::Failure }
        }
    }
}

/// Who is at the keyboard, for the audit trail.
fn actor() -> String {
    ["SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .map_or_else(|| "unknown".into(), |name| name.chars().filter(|c| !c.is_control()).take(80).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBE: &str = "{apiVersion: ottwatch/v1, kind: Probe, metadata: {name: p1}}\n";

    #[test]
    fn folders_are_read_in_the_order_of_names() {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, PROBE).unwrap();
        };
        ["b.yml", "a.yaml", "sub/c.yaml", ".hidden.yaml", "readme.md", ".git/x.yaml"].into_iter().for_each(write);
        let files = load_paths(&[home.path().to_owned()]).unwrap();
        let names: Vec<&str> =
            files.iter().map(|f| f.name.strip_prefix(&home.path().display().to_string()).unwrap()).collect();
        assert_eq!(names, ["/a.yaml", "/b.yml", "/sub/c.yaml"]);

        let error = chain(&load_paths(&[home.path().join("none.yaml")]).unwrap_err());
        assert!(error.contains("none.yaml") && error.contains("cannot be read"), "{error}");
        fs::create_dir(home.path().join("empty")).unwrap();
        let error = load_paths(&[home.path().join("empty")]).unwrap_err().to_string();
        assert!(error.contains("holds no .yaml"), "{error}");
    }

    #[test]
    fn the_demo_is_valid() {
        let text = include_str!("../assets/demo.yaml").replace("{probe}", "local").replace("{origin}", "http://o:1");
        let documents = ow_config::read(&[SourceFile { name: "demo.yaml".into(), text }]).unwrap();
        ow_config::plan(&[], &documents, None).unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn apply_dry_run_apply_again_and_export() {
        let store = ow_testkit::test_store().await.unwrap();
        let bus = ow_testkit::test_bus().await.unwrap();
        let by = ChangedBy { actor: "lan".into(), source: "cli".into() };
        let files = [SourceFile { name: "a.yaml".into(), text: PROBE.into() }];
        let run = async |files: &[SourceFile], options: ApplyOptions| {
            let mut out = Vec::new();
            let exit = apply_files(&store, Some(&bus), files, options, &by, &mut out).await;
            (exit, String::from_utf8(out).unwrap())
        };
        let dry = ApplyOptions { dry_run: true, ..ApplyOptions::default() };
        let (exit, text) = run(&files, dry).await;
        assert_eq!(exit, Exit::Ok);
        assert!(text.contains("+ Probe/p1") && text.contains("nothing was changed"), "{text}");
        assert_eq!(store.load_config().await.unwrap().revision, 0);

        let (exit, text) = run(&files, ApplyOptions::default()).await;
        assert!(exit == Exit::Ok && text.contains("applied; configuration revision 1"), "{text}");
        let (exit, text) = run(&files, ApplyOptions::default()).await;
        assert!(exit == Exit::Ok && text.contains("nothing to change"), "{text}");

        let half_bad = [
            SourceFile { name: "a.yaml".into(), text: PROBE.replace("p1", "p2") },
            SourceFile { name: "b.yaml".into(), text: "kind: Prob\n".into() },
        ];
        assert_eq!(run(&half_bad, ApplyOptions::default()).await.0, Exit::Config);
        assert_eq!(store.load_config().await.unwrap().objects.len(), 1, "nothing half applied");
    }
}
