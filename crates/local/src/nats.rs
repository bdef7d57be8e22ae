//! A private nats-server with JetStream.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::lock::OwnerLock;
use crate::process::{Process, Spec};
use crate::{LocalError, find_nats_server};

const NAME: &str = "nats-server";
/// Recovery of large streams after a crash takes its time.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);

/// How to start a [`LocalNats`].
#[derive(Debug, Clone)]
pub struct NatsOptions {
    /// Data, configuration and log lie in `nats` below it.
    pub home: PathBuf,
    /// The program; found by [`find_nats_server`] if not given.
    pub server: Option<PathBuf>,
    /// `None`: any free port.
    pub client_port: Option<u16>,
    /// Most that JetStream may keep on disk and in memory.
    pub max_file_store_bytes: u64,
    pub max_memory_store_bytes: u64,
    /// Appended to our configuration, for example accounts. Ignored with `config_file`.
    pub extra_config: String,
    /// A configuration of its own instead of ours; only address and ports are overridden. The store folder comes as
    /// `OTTWATCH_NATS_STORE` in the environment.
    pub config_file: Option<PathBuf>,
    /// Environment, for passwords that a configuration file refers to.
    pub env: Vec<(String, String)>,
}

impl NatsOptions {
    pub fn new(home: impl Into<PathBuf>) -> Self {
        Self {
            home: home.into(),
            server: None,
            client_port: None,
            max_file_store_bytes: 16 << 30,
            max_memory_store_bytes: 256 << 20,
            extra_config: String::new(),
            config_file: None,
            env: Vec::new(),
        }
    }
}

/// A running nats-server on the loopback interface. Ends when dropped, and with this process.
#[derive(Debug)]
pub struct LocalNats {
    options: NatsOptions,
    program: PathBuf,
    folder: PathBuf,
    process: Process,
    ports: Ports,
    _owner: OwnerLock,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    client: u16,
    monitor: u16,
}

impl LocalNats {
    /// Starts a server on the data of `home`, or on fresh data, and returns when JetStream answers.
    pub fn start(mut options: NatsOptions) -> Result<Self, LocalError> {
        let program = match &options.server {
            Some(path) => path.clone(),
            None => find_nats_server()?.path,
        };
        fs::create_dir_all(&options.home).map_err(LocalError::folder(&options.home))?;
        options.home = options.home.canonicalize().map_err(LocalError::folder(&options.home))?;
        let folder = options.home.join("nats");
        let owner = OwnerLock::acquire(&folder)?;
        let (process, ports) = launch(&options, &program, &folder, options.client_port, None)?;
        Ok(Self { options, program, folder, process, ports, _owner: owner })
    }

    /// `nats://127.0.0.1:<port>`
    pub fn client_url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.ports.client)
    }

    pub fn client_port(&self) -> u16 {
        self.ports.client
    }

    /// `http://127.0.0.1:<port>`: `/healthz`, `/varz`, `/jsz`.
    pub fn monitor_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.monitor)
    }

    /// Process id of the server.
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

    /// Asks the server to end and waits for it.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Starts the server again on the same ports and data, ending it first if it still runs.
    pub fn restart(&mut self) -> Result<(), LocalError> {
        self.process.stop();
        let (process, ports) =
            launch(&self.options, &self.program, &self.folder, Some(self.ports.client), Some(self.ports.monitor))?;
        self.process = process;
        self.ports = ports;
        Ok(())
    }
}

fn launch(
    options: &NatsOptions,
    program: &Path,
    folder: &Path,
    client_port: Option<u16>,
    monitor_port: Option<u16>,
) -> Result<(Process, Ports), LocalError> {
    let ports_dir = folder.join("ports");
    // Port files of servers that were killed would be read as ours.
    let _ = fs::remove_dir_all(&ports_dir);
    fs::create_dir_all(&ports_dir).map_err(LocalError::folder(&ports_dir))?;
    let port = |wanted: Option<u16>| wanted.map_or_else(|| "-1".to_owned(), |p| p.to_string());
    let mut args: Vec<OsString> = Vec::new();
    let mut env = options.env.clone();
    if let Some(file) = &options.config_file {
        args.extend(["-c".into(), file.into(), "-a".into(), "127.0.0.1".into()]);
        args.extend(["-p".into(), port(client_port).into(), "-m".into(), port(monitor_port).into()]);
        args.extend(["--ports_file_dir".into(), (&ports_dir).into()]);
        env.push(("OTTWATCH_NATS_STORE".to_owned(), quoted(&folder.join("store"))));
    } else {
        let path = folder.join("nats.conf");
        let text = config(options, folder, &ports_dir, &port(client_port), &port(monitor_port));
        fs::write(&path, text).map_err(LocalError::folder(&path))?;
        args.extend(["-c".into(), path.into()]);
    }
    let mut process = Process::start(Spec {
        name: NAME,
        program: program.to_owned(),
        args,
        env,
        run_as: None,
        log: folder.join("server.log"),
        folder: folder.to_owned(),
        stop_signal: libc::SIGTERM,
    })?;
    let ports = process.wait_ready(READY_TIMEOUT, |_| {
        let ports = read_ports(&ports_dir)?;
        (greets(ports.client) && is_healthy(ports.monitor)).then_some(ports)
    })?;
    Ok((process, ports))
}

fn config(options: &NatsOptions, folder: &Path, ports_dir: &Path, client: &str, monitor: &str) -> String {
    let mut text = String::new();
    let store = quoted(&folder.join("store"));
    let _ = write!(
        text,
        "# Written by ottwatch at every start.\n\
         server_name: ottwatch-local\n\
         listen: \"127.0.0.1:{client}\"\n\
         http: \"127.0.0.1:{monitor}\"\n\
         ports_file_dir: {ports_dir}\n\
         max_payload: 4MB\n\
         max_pending: 64MB\n\
         jetstream {{\n  store_dir: {store}\n  max_file_store: {file}\n  max_memory_store: {memory}\n  sync_interval: \"1s\"\n}}\n\
         {extra}\n",
        ports_dir = quoted(ports_dir),
        file = options.max_file_store_bytes,
        memory = options.max_memory_store_bytes,
        extra = options.extra_config,
    );
    text
}

/// A path as a string of the configuration language, where `\` escapes.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('\\', "\\\\").replace('"', "\\\""))
}

/// The server writes `<program>_<pid>.ports`, a JSON object of URL lists.
fn read_ports(folder: &Path) -> Option<Ports> {
    #[derive(Deserialize)]
    struct File {
        nats: Vec<String>,
        monitoring: Vec<String>,
    }
    let entry = fs::read_dir(folder).ok()?.flatten().find(|e| e.path().extension().is_some_and(|x| x == "ports"))?;
    let file: File = serde_json::from_slice(&fs::read(entry.path()).ok()?).ok()?;
    let port = |urls: &[String]| urls.first()?.rsplit(':').next()?.trim_end_matches('/').parse().ok();
    Some(Ports { client: port(&file.nats)?, monitor: port(&file.monitoring)? })
}

fn greets(port: u16) -> bool {
    let mut start = [0; 5];
    connect(port).is_some_and(|mut stream| stream.read_exact(&mut start).is_ok() && &start == b"INFO ")
}

fn is_healthy(port: u16) -> bool {
    let Some(mut stream) = connect(port) else { return false };
    let request = "GET /healthz?js-enabled-only=true HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut status = [0; 12];
    stream.write_all(request.as_bytes()).is_ok() && stream.read_exact(&mut status).is_ok() && &status == b"HTTP/1.1 200"
}

fn connect(port: u16) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), PROBE_TIMEOUT).ok()?;
    stream.set_read_timeout(Some(PROBE_TIMEOUT)).ok()?;
    stream.set_write_timeout(Some(PROBE_TIMEOUT)).ok()?;
    Some(stream)
}
