//! A private PostgreSQL: no TCP port, only a socket in a folder that nobody else can enter.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::find::{Postgres, find_postgres};
use crate::lock::{self, OwnerLock};
use crate::process::{Process, RunAs, Spec};
use crate::{LocalError, sys};

const NAME: &str = "PostgreSQL";
const USER: &str = "ottwatch";
/// Crash recovery after a kill may replay some WAL.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
const INITDB_TIMEOUT: Duration = Duration::from_secs(120);
/// `sun_path` holds 108 bytes; the socket's own name takes up to 18 of them.
const MAX_SOCKET_FOLDER_BYTES: usize = 90;

/// How to start a [`LocalPostgres`].
#[derive(Debug, Clone)]
pub struct PgOptions {
    /// Data and log lie in `postgres` below it.
    pub home: PathBuf,
    /// For tests: nothing is forced to disk, few buffers. Data do not survive a power cut.
    pub fast_tests: bool,
    /// A data folder to copy instead of running initdb when there are no data yet: see [`LocalPostgres::make_template`].
    pub template: Option<PathBuf>,
    pub max_connections: u16,
}

impl PgOptions {
    pub fn new(home: impl Into<PathBuf>) -> Self {
        Self { home: home.into(), fast_tests: false, template: None, max_connections: 100 }
    }
}

/// A running PostgreSQL. Ends when dropped, and with this process. As root the server runs as user `postgres`, else
/// `nobody`.
#[derive(Debug)]
pub struct LocalPostgres {
    options: PgOptions,
    programs: Postgres,
    place: Place,
    process: Process,
    _owner: OwnerLock,
}

impl LocalPostgres {
    /// Starts a server on the data of `home`, or on fresh data, and returns when it accepts connections.
    pub fn start(mut options: PgOptions) -> Result<Self, LocalError> {
        fs::create_dir_all(&options.home).map_err(LocalError::folder(&options.home))?;
        options.home = options.home.canonicalize().map_err(LocalError::folder(&options.home))?;
        let folder = options.home.join("postgres");
        let owner = OwnerLock::acquire(&folder)?;
        let place = Place::choose(&options.home, &folder)?;
        let programs = programs_for(&place.data)?;
        if !place.data.join("PG_VERSION").exists() {
            create_data(&options, &programs, &place)?;
        }
        let process = launch(&options, &programs, &place)?;
        Ok(Self { options, programs, place, process, _owner: owner })
    }

    /// Connection string (keywords and values) of the database `postgres`, superuser, by the socket.
    pub fn dsn(&self) -> String {
        self.dsn_of("postgres")
    }

    /// The same for another database.
    pub fn dsn_of(&self, database: &str) -> String {
        let quote = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
        let socket = self.place.socket.display().to_string();
        format!("host='{}' user={USER} dbname='{}'", quote(&socket), quote(database))
    }

    pub fn socket_folder(&self) -> &Path {
        &self.place.socket
    }

    /// Process id of the postmaster.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// `kill -9`, as a crash.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Ends the server by a fast shutdown and waits for it.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Starts the server again on the same socket and data, ending it first if it still runs.
    pub fn restart(&mut self) -> Result<(), LocalError> {
        self.process.stop();
        self.process = launch(&self.options, &self.programs, &self.place)?;
        Ok(())
    }

    /// Makes a data folder for [`PgOptions::template`] at `path` unless there is one. Any number of processes may ask at
    /// once: one makes it, the others wait.
    pub fn make_template(path: &Path) -> Result<(), LocalError> {
        let programs = find_postgres(None)?;
        let run_as = run_as()?;
        let mut work = path.as_os_str().to_owned();
        work.push(".lock");
        let _one_at_a_time = lock::acquire_running("initdb", Path::new(&work))?;
        if path.join("PG_VERSION").exists() {
            return Ok(());
        }
        initdb(&programs, path, run_as, true)
    }
}

impl Drop for LocalPostgres {
    fn drop(&mut self) {
        self.process.stop();
        if self.place.socket_is_temporary {
            let _ = fs::remove_dir_all(&self.place.socket);
        }
    }
}

/// Where one server keeps its things.
#[derive(Debug)]
struct Place {
    /// Lock and log: ours.
    folder: PathBuf,
    /// Data: the server's user's.
    data: PathBuf,
    socket: PathBuf,
    socket_is_temporary: bool,
    run_as: Option<RunAs>,
}

impl Place {
    fn choose(home: &Path, folder: &Path) -> Result<Self, LocalError> {
        let run_as = run_as()?;
        let mut base = folder.to_owned();
        if let Some(user) = run_as {
            // Home and the folder below are ours to open; what lies above is not.
            for ours in [home, folder] {
                let mode = ours.metadata().map_err(LocalError::folder(ours))?.mode();
                fs::set_permissions(ours, fs::Permissions::from_mode(mode & 0o7777 | 0o111))
                    .map_err(LocalError::folder(ours))?;
            }
            if !can_reach(folder, user) {
                base = elsewhere(folder)?;
            }
        }
        let data = base.join("data");
        let mut socket = base.join("socket");
        let too_long = socket.as_os_str().len() > MAX_SOCKET_FOLDER_BYTES;
        if too_long {
            socket = std::env::temp_dir().join(format!("ottwatch-{}-{:016x}", sys::euid(), hash_of(folder)));
            if socket.as_os_str().len() > MAX_SOCKET_FOLDER_BYTES || run_as.is_some_and(|u| !can_reach(&socket, u)) {
                socket = Path::new("/tmp").join(socket.file_name().unwrap_or_default());
            }
        }
        private_folder(&socket, run_as)?;
        Ok(Self { folder: folder.to_owned(), data, socket, socket_is_temporary: too_long, run_as })
    }
}

/// Below a folder that only root may enter (such as /root), the data of the other user must lie somewhere else. A
/// link in the home shows where.
fn elsewhere(folder: &Path) -> Result<PathBuf, LocalError> {
    let root = Path::new("/var/lib/ottwatch");
    let base = root.join(format!("{:016x}", hash_of(folder)));
    for ours in [root, &base] {
        fs::create_dir_all(ours)
            .and_then(|()| fs::set_permissions(ours, fs::Permissions::from_mode(0o711)))
            .map_err(LocalError::folder(ours))?;
    }
    let link = folder.join("data-is-in");
    if fs::read_link(&link).is_err() {
        symlink(&base, &link).map_err(LocalError::folder(&link))?;
    }
    Ok(base)
}

/// FNV-1a: the same in every build, as it names a folder that is found again.
fn hash_of(path: &Path) -> u64 {
    path.as_os_str()
        .as_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
}

/// Root cannot run PostgreSQL: the user to run it as.
fn run_as() -> Result<Option<RunAs>, LocalError> {
    if sys::euid() != 0 {
        return Ok(None);
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    ["postgres", "nobody"].iter().find_map(|name| user(&passwd, name)).map(Some).ok_or(LocalError::NoUser)
}

/// `name:password:uid:gid:...`
fn user(passwd: &str, name: &str) -> Option<RunAs> {
    let mut fields = passwd.lines().map(|line| line.split(':')).find(|f| f.clone().next() == Some(name))?.skip(2);
    Some(RunAs { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
}

/// May the user walk down to the folder that holds `path`?
fn can_reach(path: &Path, user: RunAs) -> bool {
    path.ancestors().skip(1).all(|folder| {
        folder.metadata().is_ok_and(|m| {
            let bit = match (m.uid() == user.uid, m.gid() == user.gid) {
                (true, _) => 0o100,
                (_, true) => 0o010,
                _ => 0o001,
            };
            m.mode() & bit != 0
        })
    })
}

/// Makes a folder of mode 0700 that belongs to the server's user, or checks that it is one: in /tmp someone else
/// might have made it.
fn private_folder(path: &Path, run_as: Option<RunAs>) -> Result<(), LocalError> {
    let fail = LocalError::folder(path);
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let found = match path.symlink_metadata() {
                Ok(found) => found,
                Err(error) => return Err(fail(error)),
            };
            let owners = [sys::euid(), run_as.map_or(sys::euid(), |u| u.uid)];
            if !found.is_dir() || !owners.contains(&found.uid()) {
                return Err(fail(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    "it is there and belongs to somebody else; remove it",
                )));
            }
        }
        Err(error) => return Err(fail(error)),
    }
    let own = || -> io::Result<()> {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        give_to(path, run_as)
    };
    own().map_err(fail)
}

fn give_to(path: &Path, run_as: Option<RunAs>) -> io::Result<()> {
    run_as.map_or(Ok(()), |user| chown(path, Some(user.uid), Some(user.gid)))
}

/// The programs of the major version that wrote the data, if there are data.
fn programs_for(data: &Path) -> Result<Postgres, LocalError> {
    let major = fs::read_to_string(data.join("PG_VERSION")).ok().and_then(|text| text.trim().parse::<u32>().ok());
    let programs = find_postgres(major)?;
    match major {
        Some(found) if found != programs.version.0 => Err(LocalError::DataVersion {
            data: data.to_owned(),
            found: found.to_string(),
            installed: programs.version.to_string(),
        }),
        _ => Ok(programs),
    }
}

fn create_data(options: &PgOptions, programs: &Postgres, place: &Place) -> Result<(), LocalError> {
    match &options.template {
        Some(template) if programs_for(template).is_ok_and(|p| p == *programs) => {
            build(&place.data, |fresh| copy_tree(template, fresh, place.run_as).map_err(LocalError::folder(template)))
        }
        _ => initdb(programs, &place.data, place.run_as, options.fast_tests),
    }
}

/// Builds a data folder beside its place and moves it there when complete, so that a half-made one is never used.
fn build(data: &Path, make: impl FnOnce(&Path) -> Result<(), LocalError>) -> Result<(), LocalError> {
    let mut fresh = data.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(LocalError::folder(&fresh))?;
    }
    make(&fresh)?;
    fs::rename(&fresh, data).map_err(LocalError::folder(data))
}

fn initdb(programs: &Postgres, data: &Path, run_as: Option<RunAs>, fast: bool) -> Result<(), LocalError> {
    build(data, |fresh| {
        private_folder(fresh, run_as)?;
        let mut args: Vec<OsString> = vec!["-D".into(), fresh.into(), "-U".into(), USER.into()];
        args.extend(["-A", "trust", "-E", "UTF8", "--locale=C"].map(Into::into));
        if fast {
            args.push("--no-sync".into());
        }
        // Its own folder for log and lock: nothing but initdb may write into the data folder.
        let mut work = data.as_os_str().to_owned();
        work.push(".init");
        let work = PathBuf::from(work);
        fs::create_dir_all(&work).map_err(LocalError::folder(&work))?;
        let mut process = Process::start(Spec {
            name: "initdb",
            program: programs.initdb(),
            args,
            env: vec![("LC_ALL".to_owned(), "C".to_owned())],
            run_as,
            log: work.join("initdb.log"),
            folder: work.clone(),
            stop_signal: libc::SIGTERM,
        })?;
        process.wait_success(INITDB_TIMEOUT)?;
        fs::remove_dir_all(&work).map_err(LocalError::folder(&work))
    })
}

fn launch(options: &PgOptions, programs: &Postgres, place: &Place) -> Result<Process, LocalError> {
    let socket = format!("\"{}\"", place.socket.display().to_string().replace('"', "\"\""));
    let mut settings = vec![
        "listen_addresses=".to_owned(),
        format!("unix_socket_directories={socket}"),
        "unix_socket_permissions=0700".to_owned(),
        format!("max_connections={}", options.max_connections),
        "log_min_messages=warning".to_owned(),
        "timezone=UTC".to_owned(),
    ];
    if options.fast_tests {
        let off = ["fsync", "synchronous_commit", "full_page_writes", "autovacuum"];
        settings.extend(off.map(|name| format!("{name}=off")));
        settings.push("shared_buffers=32MB".to_owned());
    }
    let mut args: Vec<OsString> = vec!["-D".into(), (&place.data).into()];
    args.extend(settings.into_iter().flat_map(|setting| ["-c".into(), setting.into()]));
    let mut process = Process::start(Spec {
        name: NAME,
        program: programs.postgres(),
        args,
        env: vec![("LC_ALL".to_owned(), "C".to_owned())],
        run_as: place.run_as,
        log: place.folder.join("postgres.log"),
        folder: place.folder.clone(),
        stop_signal: libc::SIGINT,
    })?;
    let pid_file = place.data.join("postmaster.pid");
    process.wait_ready(READY_TIMEOUT, |process| is_ready(&pid_file, process.id()).then_some(()))?;
    Ok(process)
}

/// Line 1 of postmaster.pid is the process id, line 8 the state. An old file of a killed server has another id.
fn is_ready(pid_file: &Path, pid: u32) -> bool {
    let text = fs::read_to_string(pid_file).unwrap_or_default();
    let mut lines = text.lines();
    lines.next().and_then(|l| l.trim().parse().ok()) == Some(pid) && lines.nth(6).is_some_and(|l| l.trim() == "ready")
}

fn copy_tree(from: &Path, to: &Path, run_as: Option<RunAs>) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(to)?;
    give_to(to, run_as)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target, run_as)?;
        } else {
            fs::copy(entry.path(), &target)?;
            give_to(&target, run_as)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_from_passwd() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65533:n:/:/no\npostgresql:x:1:1::/:/no\n";
        assert_eq!(user(passwd, "nobody"), Some(RunAs { uid: 65534, gid: 65533 }));
        assert_eq!(user(passwd, "postgres"), None);
    }

    #[test]
    fn a_folder_below_a_closed_one_cannot_be_reached() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        let stranger = RunAs { uid: 54_321, gid: 54_321 };
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(!can_reach(&inner, stranger));
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        assert!(can_reach(&inner, stranger));
    }
}
