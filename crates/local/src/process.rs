//! One server process: started on a thread that lives as long as we do, watched, ended with its group.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::{LocalError, lock, sys};

/// How long a server may take to end after being asked, before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(3);
const TAIL_BYTES: u64 = 2_000;

/// A user to run a server as. Only for processes of root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunAs {
    pub uid: u32,
    pub gid: u32,
}

/// How to start one server process.
#[derive(Debug)]
pub struct Spec {
    pub name: &'static str,
    pub program: PathBuf,
    pub args: Vec<std::ffi::OsString>,
    pub env: Vec<(String, String)>,
    pub run_as: Option<RunAs>,
    /// Where stdout and stderr go. An earlier one is kept as `<log>.1`.
    pub log: PathBuf,
    /// Holds `running.lock`.
    pub folder: PathBuf,
    /// Asks the server to end quickly but cleanly.
    pub stop_signal: i32,
}

#[derive(Debug)]
pub struct Process {
    spec: Spec,
    child: Child,
    /// Ours beside the server's own; given up when the server has ended, so that the next start waits for the last
    /// of its child processes.
    running: Option<File>,
}

impl Process {
    pub fn start(spec: Spec) -> Result<Self, LocalError> {
        let running = lock::acquire_running(spec.name, &spec.folder)?;
        let log = open_log(&spec.log)?;
        let log_too = log.try_clone().map_err(LocalError::folder(&spec.log))?;
        let mut command = Command::new(&spec.program);
        command.args(&spec.args).envs(spec.env.iter().map(|(k, v)| (k, v))).current_dir("/");
        command.stdin(Stdio::null()).stdout(log).stderr(log_too);
        if let Some(RunAs { uid, gid }) = spec.run_as {
            command.gid(gid).uid(uid);
        }
        sys::bind_to_parent(&mut command, spec.stop_signal, &running);
        let child = spawn(command).map_err(|source| LocalError::Spawn { program: spec.program.clone(), source })?;
        Ok(Self { spec, child, running: Some(running) })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks `ready` again and again until it gives a value. An end of the process is an error at once.
    pub fn wait_ready<T>(
        &mut self,
        timeout: Duration,
        mut ready: impl FnMut(&Self) -> Option<T>,
    ) -> Result<T, LocalError> {
        let start = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                let (log, tail) = (self.spec.log.clone(), tail(&self.spec.log));
                return Err(LocalError::Exited { name: self.spec.name, status: status.to_string(), log, tail });
            }
            if let Some(value) = ready(self) {
                return Ok(value);
            }
            if start.elapsed() > timeout {
                let (log, tail) = (self.spec.log.clone(), tail(&self.spec.log));
                return Err(LocalError::NotReady { name: self.spec.name, waited: timeout, log, tail });
            }
            thread::sleep(POLL);
        }
    }

    /// Waits for a program that does its work and ends.
    pub fn wait_success(&mut self, timeout: Duration) -> Result<(), LocalError> {
        match self.wait_ready(timeout, |_| None::<()>) {
            Err(LocalError::Exited { .. }) if self.child.try_wait().ok().flatten().is_some_and(|s| s.success()) => {
                Ok(())
            }
            Err(error) => Err(error),
            Ok(()) => Ok(()),
        }
    }

    /// True as long as the process has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGKILL to the whole group, as a crash would end it. Returns when the process is gone.
    pub fn kill(&mut self) {
        if self.is_running() {
            sys::signal(-(self.child.id() as i32), libc::SIGKILL);
            let _ = self.child.wait();
        }
        self.running = None;
    }

    /// Asks the process to end, and kills it if it does not.
    pub fn stop(&mut self) {
        if self.is_running() {
            sys::signal(self.child.id() as i32, self.spec.stop_signal);
            let start = Instant::now();
            while self.is_running() {
                if start.elapsed() > STOP_TIMEOUT {
                    tracing::warn!(server = self.spec.name, "server did not end when asked and is killed");
                    return self.kill();
                }
                thread::sleep(POLL);
            }
        }
        self.running = None;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The death signal of a child is tied to the thread that started it, so all are started by one thread that never
/// ends. Callers may therefore be on any thread, short-lived pool threads included.
fn spawn(command: Command) -> io::Result<Child> {
    type Request = (Command, mpsc::Sender<io::Result<Child>>);
    static SPAWNER: OnceLock<mpsc::Sender<Request>> = OnceLock::new();
    let gone = || io::Error::other("the thread that starts servers has ended");
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, requests) = mpsc::channel::<Request>();
        // If no thread can be made, the receiver is dropped and every start reports it.
        let _ = thread::Builder::new().name("local-servers".to_owned()).spawn(move || {
            for (mut command, reply) in requests {
                let _ = reply.send(command.spawn());
            }
        });
        sender
    });
    let (reply, answer) = mpsc::channel();
    spawner.send((command, reply)).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

fn open_log(path: &Path) -> Result<File, LocalError> {
    let mut old = path.as_os_str().to_owned();
    old.push(".1");
    let _ = fs::rename(path, old);
    File::create(path).map_err(LocalError::folder(path))
}

/// The last lines of a log, at most 2,000 bytes.
pub fn tail(path: &Path) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) if bytes.is_empty() => "(nothing)".to_owned(),
        Ok(bytes) => String::from_utf8_lossy(&bytes).trim_end().to_owned(),
        Err(error) => format!("(not readable: {error})"),
    }
}
