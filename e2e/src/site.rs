//! One installation of ottwatch on this machine, of the real binary: all in one process, or a process per service.
//!
//! Everything lies in a folder of its own and ends with the [`Site`]. A test that fails prints the warnings that the
//! processes logged.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ow_bus::{Bus, BusConfig};
use ow_local::{LocalNats, LocalPostgres, NatsOptions, PgOptions};
use ow_origin::{Origin, OriginConfig};
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// The services, as the binary names them.
pub const SERVICES: [&str; 7] = ["scheduler", "api", "fetcher", "validator", "alert-router", "notifier", "recorder"];
/// The process of [`Site::all_in_one`].
pub const UP: &str = "up";
/// Name of the probe of every site.
pub const PROBE: &str = "local";
/// Its document, to begin a configuration with.
pub const PROBE_YAML: &str =
    "apiVersion: ottwatch/v1\nkind: Probe\nmetadata: {name: local}\nspec: {region: lab}\n---\n";

/// A start on a busy machine, initdb included.
const START: Duration = Duration::from_secs(90);
const ANSWER: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);
/// Lines of each log that a failed test shows.
const LOG_LINES: usize = 60;

/// A packager with 2 s segments: target duration 2 s.
pub async fn origin() -> Result<Origin> {
    let config = OriginConfig { segment_ms: 2_000, ..OriginConfig::default() };
    ow_origin::start(config).await.context("cannot start the origin")
}

/// A running installation. All its processes end with it.
pub struct Site {
    programs: BTreeMap<String, Program>,
    nats: Option<LocalNats>,
    postgres: Option<LocalPostgres>,
    addresses: Addresses,
    folder: tempfile::TempDir,
}

struct Program {
    args: Vec<String>,
    log: PathBuf,
    /// Where the log of the last start begins.
    log_from: u64,
    child: Option<Child>,
}

/// What `run.json` tells of a running `ottwatch up`.
#[derive(Debug, Clone, Deserialize)]
struct Addresses {
    nats: String,
    postgres: String,
    api: String,
}

/// The binary beside this test: `target/debug/ottwatch` of `target/debug/deps/<test>`.
pub fn binary() -> Result<PathBuf> {
    let test = std::env::current_exe().context("where is this test?")?;
    let folder = test.parent().and_then(Path::parent).context("a test lies in target/<profile>/deps")?;
    let binary = folder.join("ottwatch");
    ensure!(
        binary.is_file(),
        "{} is missing; `cargo xtask test` builds it first, or `cargo build -p ottwatch`",
        binary.display()
    );
    Ok(binary)
}

impl Site {
    /// `ottwatch up`: all services in one process, with its own servers.
    pub async fn all_in_one() -> Result<Self> {
        Self::all_in_one_with(&[]).await
    }

    /// The same with more arguments, such as `--demo`.
    pub async fn all_in_one_with(more: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("ow-e2e-").tempdir()?;
        let home = folder.path().join("home").display().to_string();
        let mut args: Vec<String> =
            ["up", "--home", &home, "--listen", "127.0.0.1:0", "--probe", PROBE].map(String::from).into();
        args.extend(more.iter().map(ToString::to_string));
        let log = folder.path().join("up.log");
        let nowhere = Addresses { nats: String::new(), postgres: String::new(), api: String::new() };
        let programs = BTreeMap::from([(UP.to_owned(), Program { args, log, log_from: 0, child: None })]);
        let mut site = Self { programs, nats: None, postgres: None, addresses: nowhere, folder };
        site.start(UP).await?;
        Ok(site)
    }

    /// A process per service on servers of our own, with durable settings.
    pub async fn processes() -> Result<Self> {
        Self::processes_with("").await
    }

    /// The same with more of the site file (TOML), e.g. `"[fetcher]\nslots = 5\n"`. `[nats]`, `[postgres]` and `[api]`
    /// are taken.
    pub async fn processes_with(more: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("ow-e2e-").tempdir()?;
        let home = folder.path().join("home");
        let (nats, postgres) = tokio::task::spawn_blocking(move || -> Result<_> {
            let nats = LocalNats::start(NatsOptions::new(&home))?;
            let postgres = LocalPostgres::start(PgOptions { fast_tests: false, ..PgOptions::new(&home) })?;
            Ok((nats, postgres))
        })
        .await??;
        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let addresses =
            Addresses { nats: nats.client_url(), postgres: postgres.dsn(), api: format!("http://{listen}") };
        let config = folder.path().join("site.toml");
        let text = format!(
            "[nats]\nurl = {:?}\n[postgres]\ndsn = {:?}\npool_size = 8\n[api]\nlisten = \"{listen}\"\nwith_ops = true\nanonymous = \"viewer\"\n\
             [notifier]\npublic_url = {:?}\n{more}",
            addresses.nats, addresses.postgres, addresses.api
        );
        std::fs::write(&config, text)?;
        let mut site =
            Self { programs: BTreeMap::new(), nats: Some(nats), postgres: Some(postgres), addresses, folder };
        for service in SERVICES {
            site.add(service, service);
        }
        // All at once, as a supervisor does: each waits for what it needs.
        for service in SERVICES {
            site.spawn(service)?;
        }
        for service in SERVICES {
            site.wait_started(service).await?;
        }
        Ok(site)
    }

    /// One more process of a service, e.g. a second validator. Not started yet: see [`Site::start`].
    pub fn add(&mut self, name: &str, service: &str) {
        let config = self.folder.path().join("site.toml").display().to_string();
        let args = vec![service.to_owned(), "--config".to_owned(), config];
        let log = self.folder.path().join(format!("{name}.log"));
        self.programs.insert(name.to_owned(), Program { args, log, log_from: 0, child: None });
    }

    /// Folder of everything; `home` in it is that of the servers.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
    /// For `--home` of the clients of [`Site::all_in_one`].
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }
    /// `http://127.0.0.1:port`
    pub fn api(&self) -> &str {
        &self.addresses.api
    }
    pub fn nats_url(&self) -> &str {
        &self.addresses.nats
    }
    pub fn dsn(&self) -> &str {
        &self.addresses.postgres
    }

    /// Starts a process that does not run, and waits until it works.
    pub async fn start(&mut self, name: &str) -> Result<()> {
        if name == UP {
            let _ = std::fs::remove_file(self.home().join("run.json"));
        }
        self.spawn(name)?;
        self.wait_started(name).await
    }

    /// `kill -9`, and waits until it is gone.
    pub async fn kill(&mut self, name: &str) -> Result<()> {
        let mut child = self.program(name)?.child.take().with_context(|| format!("{name} does not run"))?;
        child.kill().await.with_context(|| format!("cannot end {name}"))
    }

    /// SIGTERM, and waits for its end.
    pub async fn terminate(&mut self, name: &str) -> Result<ExitStatus> {
        let mut child = self.program(name)?.child.take().with_context(|| format!("{name} does not run"))?;
        let pid = child.id().with_context(|| format!("{name} has ended"))?;
        let sent = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await?;
        ensure!(sent.success(), "cannot signal {name}");
        let ended = tokio::time::timeout(START, child.wait()).await;
        Ok(ended.with_context(|| format!("{name} did not end within {START:?}"))??)
    }

    /// Kills and starts again.
    pub async fn restart(&mut self, name: &str) -> Result<()> {
        self.kill(name).await?;
        self.start(name).await
    }

    pub fn is_running(&mut self, name: &str) -> bool {
        let child = self.programs.get_mut(name).and_then(|p| p.child.as_mut());
        child.is_some_and(|c| matches!(c.try_wait(), Ok(None)))
    }

    /// The servers of [`Site::processes`], to kill and restart on their ports and data.
    pub fn nats(&mut self) -> &mut LocalNats {
        self.nats.as_mut().expect("only a site of processes has servers of its own")
    }
    pub fn postgres(&mut self) -> &mut LocalPostgres {
        self.postgres.as_mut().expect("only a site of processes has servers of its own")
    }

    /// Runs the binary as a client of this site, to its end.
    pub async fn run(&self, args: &[&str]) -> Result<Output> {
        let mut command = command()?;
        command.args(args).env("OTTWATCH_HOME", self.home());
        command.env("OTTWATCH_NATS_URL", self.nats_url()).env("OTTWATCH_POSTGRES", self.dsn());
        Ok(tokio::time::timeout(START, command.output()).await.context("the client does not end")??)
    }

    /// `ottwatch apply -f` of this text, which must be taken. Gives what it printed.
    pub async fn apply(&self, yaml: &str) -> Result<String> {
        let file = tempfile::Builder::new().suffix(".yaml").tempfile_in(self.folder.path())?;
        std::fs::write(file.path(), yaml)?;
        let output = self.run(&["apply", "-f", &file.path().display().to_string()]).await?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "apply: {}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr));
        Ok(text)
    }

    /// Writes a secret for receivers into a file, and gives its path.
    pub fn secret(&self, name: &str, text: &str) -> Result<String> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    }

    /// Status and body of a GET on the REST interface.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        let host = self.api().trim_start_matches("http://");
        ensure!(!host.is_empty(), "the API has no address yet");
        tokio::time::timeout(ANSWER, get(host, path)).await.context("the API does not answer")?
    }

    /// `GET /api/v1/alarms?<query>`, all pages; an empty query means active ones.
    pub async fn alarms(&self, query: &str) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let (status, body) = self.get(&format!("/api/v1/alarms?{query}{cursor}")).await?;
            ensure!(status == 200, "GET /api/v1/alarms?{query}: {status} {body}");
            let mut page: Value = serde_json::from_str(&body)?;
            if let Some(items) = page["items"].as_array_mut() {
                all.append(items);
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("{}cursor={next}", if query.is_empty() { "" } else { "&" }),
                None => return Ok(all),
            }
        }
    }

    /// Waits until the active alarms are as wanted, and gives them; fails with what there is.
    pub async fn wait_alarms(&self, what: &str, limit: Duration, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let end = Instant::now() + limit;
        loop {
            let seen = self.alarms("").await;
            if let Ok(alarms) = &seen
                && wanted(alarms)
            {
                return alarms.clone();
            }
            assert!(Instant::now() < end, "{what}: not within {limit:?}; active: {seen:?}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// A connection to the bus of this site.
    pub async fn bus(&self) -> Result<Bus> {
        Bus::connect(BusConfig::new(self.nats_url(), "ottwatch/e2e")).await.context("cannot use the bus of the site")
    }

    /// Everything that a process printed and logged.
    pub fn log(&self, name: &str) -> String {
        let path = self.programs.get(name).map(|p| p.log.clone()).unwrap_or_default();
        String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
    }

    fn program(&mut self, name: &str) -> Result<&mut Program> {
        self.programs.get_mut(name).with_context(|| format!("the site has no process {name}"))
    }

    fn spawn(&mut self, name: &str) -> Result<()> {
        let program = self.program(name)?;
        ensure!(program.child.is_none(), "{name} runs already");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&program.log)?;
        program.log_from = log.metadata()?.len();
        let mut command = command()?;
        command.args(&program.args).env("OTTWATCH_LOG", "info");
        command.stdout(log.try_clone()?).stderr(log);
        program.child = Some(command.spawn().with_context(|| format!("cannot start {name}"))?);
        Ok(())
    }

    /// Until the process last started works: it has said so, and the API answers where it has one.
    async fn wait_started(&mut self, name: &str) -> Result<()> {
        let end = Instant::now() + START;
        let pid = self.program(name)?.child.as_ref().and_then(Child::id);
        loop {
            if self.has_started(name, pid).await {
                return Ok(());
            }
            if !self.is_running(name) {
                bail!("{name} ended at its start:\n{}", last_lines(&self.log(name), |_| true));
            }
            if Instant::now() > end {
                bail!("{name} did not start within {START:?}:\n{}", last_lines(&self.log(name), |_| true));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn has_started(&mut self, name: &str, pid: Option<u32>) -> bool {
        if name == UP {
            let Ok(text) = std::fs::read(self.home().join("run.json")) else { return false };
            let Ok(file) = serde_json::from_slice::<Value>(&text) else { return false };
            if file["pid"].as_u64() != pid.map(u64::from) {
                return false;
            }
            let Ok(addresses) = serde_json::from_value(file) else { return false };
            self.addresses = addresses;
        } else {
            let from = self.programs.get(name).map_or(0, |p| usize::try_from(p.log_from).unwrap_or(usize::MAX));
            let log = self.log(name);
            let says_so = |line: &str| line.contains("INFO") && line.contains("started");
            if !log.get(from..).is_some_and(|new| new.lines().any(says_so)) {
                return false;
            }
        }
        if name != UP && name != "api" {
            return true;
        }
        matches!(self.get("/health/ready").await, Ok((200, _)))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (name, program) in &self.programs {
                let log = String::from_utf8_lossy(&std::fs::read(&program.log).unwrap_or_default()).into_owned();
                let shown = last_lines(&log, |line| !line.contains("INFO") && !line.contains("DEBUG"));
                eprintln!("--- {name}\n{shown}");
            }
        }
        for program in self.programs.values_mut() {
            drop(program.child.take());
        }
        drop((self.nats.take(), self.postgres.take()));
        // The servers of `up` end with it, but not at the same instant: they may still write.
        let end = Instant::now() + ANSWER;
        while std::fs::remove_dir_all(self.folder.path()).is_err() && self.folder.path().exists() {
            if Instant::now() > end {
                break;
            }
            std::thread::sleep(POLL);
        }
    }
}

/// The binary with no setting of ottwatch in the environment but where programs are; killed when dropped.
fn command() -> Result<Command> {
    const KEPT: [&str; 2] = ["OTTWATCH_NATS_SERVER", "OTTWATCH_POSTGRES_BIN"];
    let mut command = Command::new(binary()?);
    let is_setting = |name: &str| name.starts_with("OTTWATCH_") && !KEPT.contains(&name);
    for (name, _) in std::env::vars().filter(|(name, _)| is_setting(name)) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    Ok(command)
}

/// HTTP/1.0, so that the body ends with the connection.
async fn get(host: &str, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(host).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nAccept: */*\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let text = String::from_utf8(answer)?;
    let (head, body) = text.split_once("\r\n\r\n").context("no HTTP answer")?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).context("no HTTP status")?;
    Ok((status, body.to_owned()))
}

fn last_lines(log: &str, wanted: impl Fn(&str) -> bool) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| wanted(line)).collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}
