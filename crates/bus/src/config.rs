//! How to reach the server, and under which name we speak.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::BusError;

/// Where the bus is and who we are on it.
#[derive(Debug, Clone)]
pub struct BusConfig {
    /// Server addresses, comma separated: `nats://host:4222`, `tls://host:4222`. Without user and password: those
    /// come by file.
    pub url: String,
    /// User of nats.conf; its password is the content of `password_file`.
    pub user: Option<String>,
    pub password_file: Option<PathBuf>,
    /// PEM of the authority that signed the server's certificate, if no public one did.
    pub ca_file: Option<PathBuf>,
    /// Name of this connection and CloudEvents source: `ottwatch/<service>/<replica>`.
    pub name: String,
    /// Before every stream, bucket and subject name. Empty outside tests.
    pub prefix: StreamPrefix,
    /// How long the first connection may take.
    pub connect_wait: Duration,
    /// How long a publish is tried again before it fails.
    pub publish_deadline: Duration,
}

impl BusConfig {
    /// Without credentials; 30 s for the first connection, 30 s for a publish.
    pub fn new(url: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            user: None,
            password_file: None,
            ca_file: None,
            name: name.into(),
            prefix: StreamPrefix::default(),
            connect_wait: Duration::from_secs(30),
            publish_deadline: Duration::from_secs(30),
        }
    }

    pub fn with_prefix(self, prefix: StreamPrefix) -> Self {
        Self { prefix, ..self }
    }

    /// The addresses as they may be logged.
    pub(crate) fn servers(&self) -> Result<Vec<async_nats::ServerAddr>, BusError> {
        let bad = |reason: &str| BusError::Config {
            key: "nats url",
            value: self.url.split('@').next_back().unwrap_or_default().to_owned(),
            reason: reason.to_owned(),
            example: "\"nats://127.0.0.1:4222\"",
        };
        let servers: Vec<async_nats::ServerAddr> = self
            .url
            .split(',')
            .map(|one| one.trim().parse::<async_nats::ServerAddr>())
            .collect::<Result<_, _>>()
            .map_err(|_| bad("it is no server address"))?;
        if servers.iter().any(|s| s.username().is_some() || s.password().is_some()) {
            return Err(bad("it contains a user or password, which would end up in logs; use user and password_file"));
        }
        Ok(servers)
    }
}

/// Keeps the streams of many tests on one server apart. In production empty.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StreamPrefix(Option<String>);

impl StreamPrefix {
    /// `None` unless 1 to 32 of a-z, 0-9.
    pub fn new(text: &str) -> Option<Self> {
        let good = (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        good.then(|| Self(Some(text.to_owned())))
    }

    /// `t1-JOBS`
    pub fn name(&self, name: &str) -> String {
        self.0.as_ref().map_or_else(|| name.to_owned(), |p| format!("{p}-{name}"))
    }

    /// `t1.ottwatch.v1.<subject>`
    pub fn subject(&self, subject: &str) -> String {
        let root = ow_contracts::subject::ROOT;
        self.0.as_ref().map_or_else(|| format!("{root}.{subject}"), |p| format!("{p}.{root}.{subject}"))
    }

    /// Undoes [`Self::subject`]. Other subjects are given as they are.
    pub fn strip<'s>(&self, full: &'s str) -> &'s str {
        let rest = match &self.0 {
            Some(prefix) => full.strip_prefix(prefix.as_str()).and_then(|rest| rest.strip_prefix('.')),
            None => Some(full),
        };
        rest.and_then(|rest| rest.strip_prefix(ow_contracts::subject::ROOT)?.strip_prefix('.')).unwrap_or(full)
    }
}

impl fmt::Debug for StreamPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_deref().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_go_on_and_come_off() {
        let none = StreamPrefix::default();
        assert_eq!((none.name("JOBS"), none.subject("a.b")), ("JOBS".to_owned(), "ottwatch.v1.a.b".to_owned()));
        assert_eq!(none.strip("ottwatch.v1.a.b"), "a.b");
        let some = StreamPrefix::new("t1").unwrap();
        assert_eq!((some.name("JOBS"), some.subject("a")), ("t1-JOBS".to_owned(), "t1.ottwatch.v1.a".to_owned()));
        assert_eq!(some.strip("t1.ottwatch.v1.a"), "a");
        assert_eq!(some.strip("other.a"), "other.a");
        assert!(StreamPrefix::new("").is_none() && StreamPrefix::new("a.b").is_none());
    }

    #[test]
    fn a_password_in_the_address_is_refused_and_not_repeated() {
        let error = BusConfig::new("nats://bob:hunter2@host:4222", "t").servers().unwrap_err().to_string();
        assert!(error.contains("password_file") && !error.contains("hunter2"), "{error}");
        assert!(BusConfig::new("nats://a:4222, tls://b:4222", "t").servers().unwrap().len() == 2);
        assert!(BusConfig::new("http://%%", "t").servers().is_err());
    }
}
