//! Passwords: argon2id off the threads that serve, a bounded number at a time, in the same time whether or not there is
//! such an account.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::Semaphore;

use super::config::PasswordConfig;

/// Shortest and longest password in characters, longest in bytes.
pub const MIN_CHARS: usize = 12;
pub const MAX_CHARS: usize = 256;
const MAX_BYTES: usize = 1024;
/// A request waits this long for its turn.
const WAIT: Duration = Duration::from_secs(5);
const SALT_BYTES: usize = 16;
/// More memory than this no stored hash may ask for.
const MAX_STORED_KIB: u32 = 1 << 20;

/// A password could not be hashed or compared.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("too many people sign in at this moment")]
    Busy,
    #[error("the settings api.passwords cannot be used: {0}")]
    Settings(argon2::Error),
    #[error("a password could not be hashed")]
    Hash,
}

/// Hashes and compares passwords.
#[derive(Debug, Clone)]
pub struct Passwords {
    argon: Argon2<'static>,
    turns: Arc<Semaphore>,
    /// Compared with when there is no account: nobody knows its password.
    nobody: Arc<str>,
}

impl Passwords {
    pub fn new(config: &PasswordConfig) -> Result<Self, PasswordError> {
        let memory = u32::try_from(config.memory.0 / 1024).unwrap_or(u32::MAX);
        let params =
            Params::new(memory, config.iterations, config.parallelism, None).map_err(PasswordError::Settings)?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let unknown = super::secret::random().map_err(|_| PasswordError::Hash)?;
        let nobody = hash(&argon, &unknown)?.into();
        Ok(Self { argon, turns: Arc::new(Semaphore::new(config.max_parallel.max(1))), nobody })
    }

    /// The hash to keep, PHC form.
    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        let argon = self.argon.clone();
        self.in_turn(move || hash(&argon, &password)).await?
    }

    /// Whether it is the password of `stored`; without one it takes as long and is never.
    pub async fn verify(&self, stored: Option<&str>, password: String) -> Result<bool, PasswordError> {
        let is_there = stored.is_some();
        let stored = stored.unwrap_or(&self.nobody).to_owned();
        let argon = self.argon.clone();
        let is_same = self.in_turn(move || verify(&argon, &stored, &password)).await?;
        Ok(is_same && is_there)
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordError> {
        let turn = tokio::time::timeout(WAIT, self.turns.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| PasswordError::Busy)?.map_err(|_| PasswordError::Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            // Given back here, not when who asked has gone away: the work goes on until its end.
            drop(turn);
            result
        });
        done.await.map_err(|_| PasswordError::Hash)
    }
}

fn hash(argon: &Argon2<'_>, password: &str) -> Result<String, PasswordError> {
    let mut salt = [0; SALT_BYTES];
    SystemRandom::new().fill(&mut salt).map_err(|_| PasswordError::Hash)?;
    let hashed = argon.hash_password_with_salt(password.as_bytes(), &salt).map_err(|_| PasswordError::Hash)?;
    Ok(hashed.to_string())
}

fn verify(argon: &Argon2<'_>, stored: &str, password: &str) -> bool {
    let Ok(stored) = PasswordHash::new(stored) else { return false };
    let fits = Params::try_from(&stored).is_ok_and(|params| params.m_cost() <= MAX_STORED_KIB);
    fits && password.len() <= MAX_BYTES && argon.verify_password(password.as_bytes(), &stored).is_ok()
}

/// Why a new password is not taken; `name`: whose it is.
pub fn fault(password: &str, name: &str) -> Option<&'static str> {
    let n_chars = password.chars().count();
    let lower = password.to_lowercase();
    let distinct: std::collections::BTreeSet<char> = lower.chars().collect();
    if n_chars < MIN_CHARS {
        return Some("is shorter than 12 characters; a few words are easier to remember");
    }
    if n_chars > MAX_CHARS || password.len() > MAX_BYTES {
        return Some("is longer than 256 characters");
    }
    if distinct.len() < 5 {
        return Some("has fewer than 5 different characters");
    }
    let core = lower.trim_matches(|c: char| !c.is_alphabetic());
    let name = name.split('@').next().unwrap_or_default();
    if core == name || WIDESPREAD.contains(&core) {
        return Some("is one of the first that would be guessed");
    }
    None
}

/// What is left of many passwords when digits and signs are taken off their ends.
const WIDESPREAD: [&str; 14] = [
    "password",
    "passwort",
    "admin",
    "administrator",
    "ottwatch",
    "qwertyuiop",
    "qwertyuiopasdf",
    "letmein",
    "welcome",
    "changeme",
    "matkhau",
    "iloveyou",
    "abcdefghijkl",
    "monitoring",
];

#[cfg(test)]
mod tests {
    use ow_service::HumanBytes;

    use super::*;

    fn cheap() -> PasswordConfig {
        PasswordConfig { memory: HumanBytes(1 << 20), iterations: 1, parallelism: 1, max_parallel: 2 }
    }

    #[tokio::test]
    async fn a_password_is_known_again_and_no_other() {
        let passwords = Passwords::new(&cheap()).unwrap();
        let stored = passwords.hash("correct horse battery".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=1024,t=1,p=1$"), "{stored}");
        assert_ne!(stored, passwords.hash("correct horse battery".into()).await.unwrap(), "salted");
        for (stored, password, good) in [
            (Some(stored.as_str()), "correct horse battery", true),
            (Some(stored.as_str()), "correct horse batterz", false),
            (Some(stored.as_str()), "", false),
            (None, "correct horse battery", false),
            (Some("geheim"), "geheim", false),
            (Some("$argon2id$v=19$m=4294967295,t=9,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo"), "x", false),
        ] {
            assert_eq!(passwords.verify(stored, password.into()).await.unwrap(), good, "{stored:?} {password}");
        }
        // A hash made under other settings is compared under those.
        let dearer = Passwords::new(&PasswordConfig { iterations: 2, ..cheap() }).unwrap();
        assert!(dearer.verify(Some(&stored), "correct horse battery".into()).await.unwrap());
    }

    #[tokio::test]
    async fn no_more_than_allowed_are_hashed_at_once() {
        let passwords = Passwords::new(&cheap()).unwrap();
        let running = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let most = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let runs = (0..12).map(|_| {
            let (passwords, running, most) = (passwords.clone(), running.clone(), most.clone());
            tokio::spawn(async move {
                use std::sync::atomic::Ordering::SeqCst;
                let work = move || {
                    most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                    std::thread::sleep(Duration::from_millis(5));
                    running.fetch_sub(1, SeqCst);
                };
                passwords.in_turn(work).await.unwrap();
            })
        });
        for run in runs.collect::<Vec<_>>() {
            run.await.unwrap();
        }
        let most = most.load(std::sync::atomic::Ordering::SeqCst);
        assert!((1..=2).contains(&most), "{most} at once");
    }

    #[test]
    fn passwords_that_are_guessed_first_are_not_taken() {
        for bad in [
            "",
            "short",
            "eleven-char",
            "aaaaaaaaaaaaaaaa",
            "abababababab",
            "Password1234!",
            "thu123456789",
            "Administrator1",
        ] {
            assert!(fault(bad, "thu@example.net").is_some(), "{bad}");
        }
        assert!(fault(&"xyz12".repeat(60), "thu").is_some());
        for good in ["correct horse battery", "mười hai ký tự đó", "Thu-watches-97-channels"] {
            assert_eq!(fault(good, "thu"), None, "{good}");
        }
    }
}
