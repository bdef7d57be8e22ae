//! `<home>/run.json`: where the servers of a running `ottwatch up` are, for the clients on the same machine.

use std::path::{Path, PathBuf};

use ow_bus::BusConfig;
use serde::{Deserialize, Serialize};

use crate::cli::ConnectArgs;

/// Content of the file. Readable by its owner only: the connection strings let anyone in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFile {
    pub pid: u32,
    pub nats: String,
    pub postgres: String,
    /// Base URL of the REST interface.
    pub api: String,
    /// File with the administrator's token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_token_file: Option<PathBuf>,
    /// Base URL of the demo packager, if it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

/// Servers to talk to.
#[derive(Debug, Clone)]
pub struct Endpoints {
    pub nats: String,
    pub postgres: String,
}

/// Why no server is known.
#[derive(Debug, thiserror::Error)]
pub enum RunFileError {
    #[error(
        "no running ottwatch is known in {home}: start `ottwatch up`, name its folder with --home, or give --nats and --postgres"
    )]
    Absent { home: String },
    #[error("cannot read {path}")]
    Unreadable {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is not a run file")]
    Malformed {
        path: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("cannot write {path}")]
    Write {
        path: String,
        #[source]
        source: std::io::Error,
    },
}

pub fn path_in(home: &Path) -> PathBuf {
    home.join("run.json")
}

impl RunFile {
    /// Writes the file whole or not at all.
    pub fn write(&self, home: &Path) -> Result<(), RunFileError> {
        use std::os::unix::fs::OpenOptionsExt;
        let path = path_in(home);
        let fail = |source| RunFileError::Write { path: path.display().to_string(), source };
        let text = serde_json::to_vec_pretty(self).map_err(|e| fail(e.into()))?;
        let partial = path.with_extension("json.new");
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&partial)
            .map_err(fail)?;
        std::io::Write::write_all(&mut file, &text).map_err(fail)?;
        std::fs::rename(&partial, &path).map_err(fail)
    }

    pub fn read(home: &Path) -> Result<Self, RunFileError> {
        let path = path_in(home);
        let shown = path.display().to_string();
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(RunFileError::Absent { home: home.display().to_string() });
            }
            Err(source) => return Err(RunFileError::Unreadable { path: shown, source }),
        };
        serde_json::from_slice(&text).map_err(|source| RunFileError::Malformed { path: shown, source })
    }

    pub fn remove(home: &Path) {
        // Gone already is as good as removed.
        let _ = std::fs::remove_file(path_in(home));
    }
}

/// What the arguments name, completed from the run file where they are silent.
pub fn endpoints(args: &ConnectArgs) -> Result<Endpoints, RunFileError> {
    if let (Some(nats), Some(postgres)) = (&args.nats, &args.postgres) {
        return Ok(Endpoints { nats: nats.clone(), postgres: postgres.clone() });
    }
    let file = RunFile::read(&args.home)?;
    Ok(Endpoints {
        nats: args.nats.clone().unwrap_or(file.nats),
        postgres: args.postgres.clone().unwrap_or(file.postgres),
    })
}

/// The NATS server that the arguments name, else that of the run file.
pub fn nats(args: &ConnectArgs) -> Result<String, RunFileError> {
    args.nats.clone().map_or_else(|| RunFile::read(&args.home).map(|file| file.nats), Ok)
}

/// How a client named `name` reaches the NATS server at `url`: as the user of the installation that the arguments name.
pub fn bus_config(args: &ConnectArgs, url: String, name: &str) -> BusConfig {
    let mut config = BusConfig::new(url, name);
    config.user = args.nats_user.clone();
    config.password_file = args.nats_password_file.clone();
    config.ca_file = args.nats_ca_file.clone();
    config
}

/// The PostgreSQL server that the arguments name, else that of the run file.
pub fn postgres(args: &ConnectArgs) -> Result<String, RunFileError> {
    args.postgres.clone().map_or_else(|| RunFile::read(&args.home).map(|file| file.postgres), Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(home: &Path, nats: Option<&str>) -> ConnectArgs {
        ConnectArgs {
            home: home.to_owned(),
            nats: nats.map(str::to_owned),
            nats_user: None,
            nats_password_file: None,
            nats_ca_file: None,
            postgres: None,
        }
    }

    #[test]
    fn clients_find_a_running_up_by_its_folder() {
        let home = tempfile::tempdir().unwrap();
        let error = endpoints(&connect(home.path(), None)).unwrap_err().to_string();
        assert!(error.contains("ottwatch up") && error.contains("--home"), "{error}");
        let file = RunFile {
            pid: 1,
            nats: "nats://127.0.0.1:4".into(),
            postgres: "host=/x".into(),
            api: "http://127.0.0.1:8080".into(),
            api_token_file: None,
            origin: None,
        };
        file.write(home.path()).unwrap();
        assert_eq!(RunFile::read(home.path()).unwrap(), file);
        assert_eq!(endpoints(&connect(home.path(), None)).unwrap().nats, "nats://127.0.0.1:4");
        assert_eq!(endpoints(&connect(home.path(), Some("nats://bus:1"))).unwrap().nats, "nats://bus:1");
        RunFile::remove(home.path());
        assert!(RunFile::read(home.path()).is_err());
    }
}
