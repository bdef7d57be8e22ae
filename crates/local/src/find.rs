//! Where the server programs are. Used by the starts and by `ottwatch doctor`.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{LocalError, sys};

/// Oldest nats-server that does what the bus asks of it; older ones acknowledge what they do not know and ignore it.
pub const NATS_FLOOR: Version = Version(2, 14, 0);
/// Oldest PostgreSQL.
pub const POSTGRES_FLOOR: Version = Version(15, 0, 0);

const NATS_REMEDY: &str =
    "run scripts/setup.sh run, or put the official nats-server on PATH, or set OTTWATCH_NATS_SERVER to it";
const POSTGRES_REMEDY: &str = "run scripts/setup.sh run, or `apt-get install postgresql`, or set OTTWATCH_POSTGRES_BIN to the folder of initdb and postgres";

/// Major, minor, patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// The first `a.b` or `a.b.c` in a text such as `nats-server: v2.15.1` or `postgres (PostgreSQL) 15.18 (Debian)`.
    pub fn find_in(text: &str) -> Option<Self> {
        text.split_whitespace().find_map(|word| {
            let mut numbers = word.trim_start_matches('v').split(['.', '-', '+']);
            let major = numbers.next()?.parse().ok()?;
            // A development version of PostgreSQL reads `16beta1` or `17devel`; those have no release number.
            let minor = numbers.next()?.parse().ok()?;
            Some(Self(major, minor, numbers.next().and_then(|n| n.parse().ok()).unwrap_or(0)))
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// A nats-server not below [`NATS_FLOOR`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsServer {
    pub path: PathBuf,
    pub version: Version,
}

/// The server programs of one PostgreSQL not below [`POSTGRES_FLOOR`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postgres {
    pub bin: PathBuf,
    pub version: Version,
}

impl Postgres {
    pub fn initdb(&self) -> PathBuf {
        self.bin.join("initdb")
    }
    pub fn postgres(&self) -> PathBuf {
        self.bin.join("postgres")
    }
}

/// `OTTWATCH_NATS_SERVER` (binding if set), then PATH, then `.cache/bin` of the project the caller is in, where
/// scripts/setup.sh puts it.
pub fn find_nats_server() -> Result<NatsServer, LocalError> {
    let set = env::var_os("OTTWATCH_NATS_SERVER").filter(|v| !v.is_empty());
    let candidates = match set {
        Some(path) => vec![PathBuf::from(path)],
        None => on_path("nats-server").chain(project_cache("nats-server")).collect(),
    };
    choose_nats(candidates)
}

fn choose_nats(candidates: Vec<PathBuf>) -> Result<NatsServer, LocalError> {
    let mut too_old = None;
    for path in &candidates {
        match version_of(path) {
            Some(version) if version >= NATS_FLOOR => return Ok(NatsServer { path: path.clone(), version }),
            Some(version) => too_old = Some(format!("{version} ({})", path.display())),
            None => {}
        }
    }
    Err(match too_old {
        Some(found) => {
            LocalError::TooOld { what: "nats-server", found, floor: NATS_FLOOR.to_string(), remedy: NATS_REMEDY }
        }
        None => {
            let looked_at = list(&candidates, "PATH and .cache/bin of the project");
            LocalError::NotFound { what: "nats-server", looked_at, remedy: NATS_REMEDY }
        }
    })
}

/// `OTTWATCH_POSTGRES_BIN` (binding if set), then Debian's and PGDG's versioned folders from the newest down, then
/// `initdb` on PATH, then `pg_config --bindir`. With `major`, only that major version (that of existing data).
pub fn find_postgres(major: Option<u32>) -> Result<Postgres, LocalError> {
    let set = env::var_os("OTTWATCH_POSTGRES_BIN").filter(|v| !v.is_empty());
    let candidates = match set {
        Some(path) => vec![PathBuf::from(path)],
        None => postgres_folders(),
    };
    choose_postgres(candidates, major)
}

fn choose_postgres(candidates: Vec<PathBuf>, major: Option<u32>) -> Result<Postgres, LocalError> {
    let found: Vec<Postgres> = candidates
        .iter()
        .filter(|bin| bin.join("initdb").is_file())
        .filter_map(|bin| Some(Postgres { bin: bin.clone(), version: version_of(&bin.join("postgres"))? }))
        .collect();
    if let Some(wanted) = found.iter().find(|p| major == Some(p.version.0)) {
        return Ok(wanted.clone());
    }
    if let Some(good) = found.iter().find(|p| p.version >= POSTGRES_FLOOR) {
        return Ok(good.clone());
    }
    Err(match found.first() {
        Some(old) => LocalError::TooOld {
            what: "PostgreSQL",
            found: format!("{} ({})", old.version, old.bin.display()),
            floor: POSTGRES_FLOOR.0.to_string(),
            remedy: POSTGRES_REMEDY,
        },
        None => {
            let looked_at = list(&candidates, "/usr/lib/postgresql/*/bin, PATH and pg_config");
            LocalError::NotFound { what: "PostgreSQL", looked_at, remedy: POSTGRES_REMEDY }
        }
    })
}

fn postgres_folders() -> Vec<PathBuf> {
    let mut versioned: Vec<(u32, PathBuf)> = Vec::new();
    for (root, prefix) in [("/usr/lib/postgresql", ""), ("/usr", "pgsql-")] {
        for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let major = name.to_str().and_then(|n| n.strip_prefix(prefix)).and_then(|n| n.parse().ok());
            versioned.extend(major.map(|m| (m, entry.path().join("bin"))));
        }
    }
    versioned.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    let mut folders: Vec<PathBuf> = versioned.into_iter().map(|(_, bin)| bin).collect();
    let real = on_path("initdb").filter_map(|p| Some(p.canonicalize().ok()?.parent()?.to_owned()));
    folders.extend(real);
    if let Some(pg_config) = on_path("pg_config").next()
        && let Some(text) = output(&pg_config, "--bindir")
    {
        folders.push(PathBuf::from(text.trim_end()));
    }
    folders
}

fn on_path(program: &str) -> impl Iterator<Item = PathBuf> + use<> {
    let path = env::var_os("PATH").unwrap_or_default();
    let candidates: Vec<PathBuf> = env::split_paths(&path).map(|folder| folder.join(program)).collect();
    candidates.into_iter().filter(|p| p.is_file())
}

/// `.cache/bin` in the working folder, the crate under test or the program's folder, or above one of them. Taken only
/// if it belongs to root or to us, so that nobody else can put a program in our way.
fn project_cache(program: &str) -> Vec<PathBuf> {
    let starts =
        [env::current_dir().ok(), env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from), env::current_exe().ok()];
    let mut found: Vec<PathBuf> = Vec::new();
    for folder in starts.iter().flatten().flat_map(|start| start.ancestors()) {
        let path = folder.join(".cache/bin").join(program);
        let ours = path.metadata().is_ok_and(|m| m.is_file() && (m.uid() == 0 || m.uid() == sys::euid()));
        if ours && !found.contains(&path) {
            found.push(path);
        }
    }
    found
}

fn version_of(program: &Path) -> Option<Version> {
    Version::find_in(&output(program, "--version")?)
}

fn output(program: &Path, argument: impl AsRef<OsStr>) -> Option<String> {
    let output = Command::new(program).arg(argument).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn list(paths: &[PathBuf], otherwise: &str) -> String {
    if paths.is_empty() {
        return otherwise.to_owned();
    }
    paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn versions_are_found_in_what_the_programs_print() {
        for (text, expected) in [
            ("nats-server: v2.15.1", Some(Version(2, 15, 1))),
            ("nats-server: v2.14.0-RC.1", Some(Version(2, 14, 0))),
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Some(Version(15, 18, 0))),
            ("postgres (PostgreSQL) 17devel", None),
            ("", None),
        ] {
            assert_eq!(Version::find_in(text), expected, "{text:?}");
        }
        assert!(
            Version(2, 9, 10) < NATS_FLOOR && Version(2, 14, 0) >= NATS_FLOOR && Version(15, 0, 0) >= POSTGRES_FLOOR
        );
    }

    fn fake(path: &Path, prints: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("#!/bin/sh\necho '{prints}'\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn an_old_server_is_passed_over_and_named_when_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old/nats-server"), folder.path().join("new one/nats-server"));
        fake(&old, "nats-server: v2.9.10");
        fake(&new, "nats-server: v2.14.6");
        let chosen = choose_nats(vec![folder.path().join("none"), old.clone(), new.clone()]).unwrap();
        assert_eq!(chosen, NatsServer { path: new, version: Version(2, 14, 6) });
        let error = choose_nats(vec![old]).unwrap_err().to_string();
        assert!(error.contains("2.9.10") && error.contains("2.14.0") && error.contains("setup.sh"), "{error}");
        let error = choose_nats(vec![]).unwrap_err().to_string();
        assert!(error.contains("not found") && error.contains("OTTWATCH_NATS_SERVER"), "{error}");
    }

    #[test]
    fn postgres_of_the_data_is_preferred_to_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let bins: Vec<PathBuf> = [17, 15, 14].iter().map(|v| folder.path().join(v.to_string())).collect();
        for (bin, version) in bins.iter().zip(["17.2", "15.18", "14.9"]) {
            fake(&bin.join("initdb"), "");
            fake(&bin.join("postgres"), &format!("postgres (PostgreSQL) {version}"));
        }
        assert_eq!(choose_postgres(bins.clone(), None).unwrap().version, Version(17, 2, 0));
        assert_eq!(choose_postgres(bins.clone(), Some(15)).unwrap().version, Version(15, 18, 0));
        let error = choose_postgres(bins[2..].to_vec(), None).unwrap_err().to_string();
        assert!(error.contains("14.9") && error.contains("15"), "{error}");
    }
}
