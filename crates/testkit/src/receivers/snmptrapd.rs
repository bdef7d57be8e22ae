//! The real snmptrapd of net-snmp as a child, with its own configuration; what it logs is read back.

use std::fmt::Write as _;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::mibs;

/// A user of SNMPv3, with the words of net-snmp: `SHA-256`, `AES`.
#[derive(Debug, Clone)]
pub struct V3User {
    pub name: String,
    pub auth: String,
    pub auth_password: String,
    pub privacy: String,
    pub privacy_password: String,
    /// Engine id of the sender, for traps. Without it the user is of the station's own engine, for informs.
    pub engine_id: Option<Vec<u8>>,
}

#[derive(Debug, Clone)]
pub struct TrapdOptions {
    pub community: String,
    pub users: Vec<V3User>,
}

impl Default for TrapdOptions {
    fn default() -> Self {
        Self { community: "public".to_owned(), users: Vec::new() }
    }
}

/// One notification as snmptrapd understood it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trap {
    /// `TRAP2, SNMP v3, user ottwatch, context`, as snmptrapd says it.
    pub security: String,
    /// Names by the MIB and values without their type: `OTTWATCH-MIB::owAlarmId.1042` and the text.
    pub varbinds: Vec<(String, String)>,
}

impl Trap {
    /// `owAlarmMajor`.
    pub fn name(&self) -> &str {
        self.value("snmpTrapOID").and_then(|v| v.rsplit("::").next()).unwrap_or_default()
    }

    /// Value of the first varbind with this object name (`owAlarmId`), whatever its instance.
    pub fn value(&self, object: &str) -> Option<&str> {
        let named = |name: &str| {
            let object_part = name.rsplit("::").next().unwrap_or(name);
            object_part.split('.').next() == Some(object)
        };
        self.varbinds.iter().find(|(name, _)| named(name)).map(|(_, value)| value.as_str())
    }
}

/// A running snmptrapd. Ends with this value.
pub struct SnmpTrapd {
    child: Option<Child>,
    port: u16,
    home: tempfile::TempDir,
    options: TrapdOptions,
    /// Starts so far: each has a log of its own, since snmptrapd empties the one it opens.
    n_starts: usize,
}

const MARK: &str = "OTTWATCH-TRAP ";
const END: &str = "OTTWATCH-END";

impl SnmpTrapd {
    pub async fn start(options: TrapdOptions) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let mut this = Self { child: None, port: 0, home, options, n_starts: 0 };
        // Another process may take the port between our look and the start: then another port.
        let mut last = None;
        for _ in 0..5 {
            this.port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
            match this.run().await {
                Ok(()) => return Ok(this),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("snmptrapd did not start")))
    }

    /// `127.0.0.1:port`.
    pub fn target(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Ends it; what it logged stays.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again on its port.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop();
        // Its port was free for a while: somebody's short-lived socket may sit on it.
        let end = tokio::time::Instant::now() + crate::DEADLINE;
        loop {
            match self.run().await {
                Err(error)
                    if format!("{error:#}").contains("Address already in use") && tokio::time::Instant::now() < end =>
                {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
                ended => return ended,
            }
        }
    }

    async fn run(&mut self) -> Result<()> {
        let folder = self.home.path();
        self.n_starts += 1;
        let log = folder.join(format!("log-{}", self.n_starts));
        std::fs::write(folder.join("snmptrapd.conf"), self.conf())?;
        std::fs::create_dir_all(folder.join("state"))?;
        let program = ["/usr/sbin/snmptrapd", "/usr/local/sbin/snmptrapd"]
            .into_iter()
            .find(|p| Path::new(p).exists())
            .unwrap_or("snmptrapd");
        let mib_path = format!("{}:{}", mibs::base_mibs()?.display(), mibs::project().join("schemas/mib").display());
        let mut child = Command::new(program)
            .args(["-f", "-n", "-C", "-c"])
            .arg(folder.join("snmptrapd.conf"))
            .arg("-Lf")
            .arg(&log)
            .args(["-A", "-OQ", "-M", &mib_path, "-m", "OTTWATCH-MIB:SNMPv2-MIB"])
            .arg(format!("udp:127.0.0.1:{}", self.port))
            .env("SNMP_PERSISTENT_DIR", folder.join("state"))
            .env("SNMPCONFPATH", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("stderr"))?)
            .spawn()
            .with_context(|| format!("{program} does not start; scripts/setup.sh test installs it"))?;
        let end = std::time::Instant::now() + Duration::from_secs(10);
        loop {
            let text = String::from_utf8_lossy(&std::fs::read(&log).unwrap_or_default()[..]).into_owned();
            if text.contains("NET-SNMP version") {
                self.child = Some(child);
                return Ok(());
            }
            let ended = child.try_wait()?;
            if ended.is_some() || std::time::Instant::now() > end {
                let _ = child.kill();
                let _ = child.wait();
                let stderr = std::fs::read_to_string(folder.join("stderr")).unwrap_or_default();
                bail!("snmptrapd did not start ({ended:?}): {text}{stderr}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn conf(&self) -> String {
        let mut conf = format!("authCommunity log {}\n", self.options.community);
        // %V sets what stands between varbinds, up to the next %.
        let format = format!("{MARK}%P\\n%V\\n%v\\n{END}\\n");
        let _ = writeln!(conf, "format2 {format}");
        for user in &self.options.users {
            let engine = user.engine_id.as_ref().map(|id| {
                let hex: String = id.iter().map(|b| format!("{b:02x}")).collect();
                format!("-e 0x{hex} ")
            });
            let _ = writeln!(
                conf,
                "createUser {}{} {} {} {} {}",
                engine.unwrap_or_default(),
                user.name,
                user.auth,
                user.auth_password,
                user.privacy,
                user.privacy_password
            );
            let _ = writeln!(conf, "authUser log {} priv", user.name);
        }
        conf
    }

    /// All notifications so far, in order.
    pub fn traps(&self) -> Vec<Trap> {
        parse(&self.log())
    }

    /// Everything it logged.
    pub fn log(&self) -> String {
        let read = |n| std::fs::read(self.home.path().join(format!("log-{n}"))).unwrap_or_default();
        let all: Vec<u8> = (1..=self.n_starts).flat_map(read).collect();
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Waits until `enough` holds of all notifications so far.
    pub async fn wait(&self, what: &str, limit: Duration, enough: impl Fn(&[Trap]) -> bool) -> Vec<Trap> {
        super::until(what, limit, || {
            let traps = self.traps();
            if enough(&traps) { Ok(traps) } else { Err(format!("snmptrapd has {}", self.log())) }
        })
        .await
    }
}

impl Drop for SnmpTrapd {
    fn drop(&mut self) {
        self.stop();
    }
}

fn parse(log: &str) -> Vec<Trap> {
    let mut traps = Vec::new();
    let mut now: Option<Trap> = None;
    for line in log.lines() {
        if let Some(security) = line.strip_prefix(MARK) {
            now = Some(Trap { security: security.trim().to_owned(), varbinds: Vec::new() });
        } else if line == END {
            traps.extend(now.take());
        } else if let (Some(trap), Some((name, value))) = (now.as_mut(), line.split_once(" = ")) {
            trap.varbinds.push((name.to_owned(), value.trim_matches('"').to_owned()));
        }
    }
    traps
}
