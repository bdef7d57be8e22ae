//! Secrets at rest: AES-256-GCM under keys in a file of this installation.
//!
//! A sealed value is text, `sealed:1:<key id>:<unix seconds>:<base64url of nonce and ciphertext>`, and opens only where
//! it was sealed for: kind, name and field of its object are bound to it, so that nobody reads a secret by copying it to
//! another place. The file has one line per key, the newest last; values are sealed with that one and opened with
//! whichever they name. docs/adr/0010 tells why.

use std::fmt;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

use crate::Secret;

/// What every sealed value begins with.
pub const PREFIX: &str = "sealed:";
const VERSION: &str = "1";
const KEY_BYTES: usize = 32;
/// Most keys of a file.
const MAX_KEYS: usize = 64;
/// Longest secret in bytes.
const MAX_BYTES: usize = 16 << 10;

/// A value was not sealed or opened. Texts never hold a key or a value.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("no key file is set; set secrets.key_file")]
    NoKeys,
    #[error("the key file {path} cannot be used: {reason}")]
    File { path: String, reason: String },
    #[error("the system gives no random numbers")]
    NoRandomness,
    #[error("the value is longer than 16 KiB")]
    TooLong,
    #[error("it is no sealed value")]
    Form,
    #[error("the key {id:?} is not in the key file")]
    UnknownKey { id: String },
    #[error("it was sealed for another place, or changed")]
    Forged,
}

#[derive(Clone)]
struct Key {
    id: String,
    secret: [u8; KEY_BYTES],
}

/// The keys of a file. Cheap to clone; a key that is not known is looked for in the file again.
#[derive(Clone)]
pub struct Keyring {
    path: PathBuf,
    keys: Arc<RwLock<Vec<Key>>>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Where a value belongs: `Receiver/noc-mail/password_file`.
pub fn place(kind: &str, name: &str, field: &str) -> String {
    format!("{kind}/{name}/{}", field.to_ascii_lowercase())
}

impl Keyring {
    /// Reads the file; makes it with one key, readable by its owner only, when it is not there.
    pub fn open_or_create(path: &Path) -> Result<Self, SealError> {
        if !path.exists() {
            match write(path, &[Key::random()?], true) {
                Err(SealError::File { .. }) if path.exists() => {}
                made => made?,
            }
        }
        Ok(Self { path: path.to_owned(), keys: Arc::new(RwLock::new(read(path)?)) })
    }

    /// Names of the keys, the one that seals last.
    pub fn ids(&self) -> Vec<String> {
        self.all().iter().map(|key| key.id.clone()).collect()
    }

    fn all(&self) -> Vec<Key> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, keys: Vec<Key>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// Seals a value for its place.
    pub fn seal(&self, place: &str, value: &str) -> Result<String, SealError> {
        if value.len() > MAX_BYTES {
            return Err(SealError::TooLong);
        }
        let keys = self.all();
        let key = keys.last().ok_or(SealError::NoKeys)?;
        let set_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string();
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| SealError::NoRandomness)?;
        let mut sealed = value.as_bytes().to_vec();
        key.cipher()?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound(place, &key.id, &set_at), &mut sealed)
            .map_err(|_| SealError::TooLong)?;
        let body = URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat());
        Ok(format!("{PREFIX}{VERSION}:{}:{set_at}:{body}", key.id))
    }

    /// Opens a value at its place.
    pub fn open(&self, place: &str, sealed: &str) -> Result<Secret, SealError> {
        let (id, set_at, body) = parts(sealed).ok_or(SealError::Form)?;
        let find = |keys: Vec<Key>| keys.into_iter().find(|key| key.id == id);
        let key = match find(self.all()) {
            Some(key) => key,
            None => {
                // Rotated by somebody else.
                self.set(read(&self.path)?);
                find(self.all()).ok_or_else(|| SealError::UnknownKey { id: id.chars().take(40).collect() })?
            }
        };
        let mut bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| SealError::Form)?;
        if bytes.len() < NONCE_LEN {
            return Err(SealError::Form);
        }
        let mut sealed = bytes.split_off(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(&bytes).map_err(|_| SealError::Form)?;
        let opened = key.cipher()?.open_in_place(nonce, bound(place, id, set_at), &mut sealed);
        let text = std::str::from_utf8(opened.map_err(|_| SealError::Forged)?).map_err(|_| SealError::Forged)?;
        Ok(Secret::new(text))
    }

    /// Adds a new key, with which values are sealed from now on. Its name.
    pub fn rotate(&self) -> Result<String, SealError> {
        let mut keys = read(&self.path)?;
        let key = Key::random()?;
        let id = key.id.clone();
        keys.push(key);
        if keys.len() > MAX_KEYS {
            return Err(self.fault("it has 64 keys; drop those that are no longer used"));
        }
        write(&self.path, &keys, false)?;
        self.set(keys);
        Ok(id)
    }

    /// Takes all keys but the newest away: what was sealed with them never opens again.
    pub fn drop_old(&self) -> Result<usize, SealError> {
        let mut keys = read(&self.path)?;
        let n_old = keys.len().saturating_sub(1);
        keys.drain(..n_old);
        write(&self.path, &keys, false)?;
        self.set(keys);
        Ok(n_old)
    }

    fn fault(&self, reason: &str) -> SealError {
        SealError::File { path: self.path.display().to_string(), reason: reason.to_owned() }
    }
}

impl Key {
    fn random() -> Result<Self, SealError> {
        let (mut id, mut secret) = ([0; 6], [0; KEY_BYTES]);
        let random = SystemRandom::new();
        random.fill(&mut id).and_then(|()| random.fill(&mut secret)).map_err(|_| SealError::NoRandomness)?;
        Ok(Self { id: id.iter().map(|byte| format!("{byte:02x}")).collect(), secret })
    }

    fn cipher(&self) -> Result<LessSafeKey, SealError> {
        UnboundKey::new(&AES_256_GCM, &self.secret).map(LessSafeKey::new).map_err(|_| SealError::Form)
    }
}

fn bound(place: &str, id: &str, set_at: &str) -> Aad<Vec<u8>> {
    Aad::from(format!("ottwatch/{VERSION}/{id}/{set_at}/{place}").into_bytes())
}

fn parts(sealed: &str) -> Option<(&str, &str, &str)> {
    let rest = sealed.strip_prefix(PREFIX)?.strip_prefix(VERSION)?.strip_prefix(':')?;
    let (id, rest) = rest.split_once(':')?;
    let (set_at, body) = rest.split_once(':')?;
    Some((id, set_at, body))
}

/// When a value was sealed, in unix seconds.
pub fn set_at(sealed: &str) -> Option<u64> {
    parts(sealed)?.1.parse().ok()
}

/// The key that a value was sealed with.
pub fn key_of(sealed: &str) -> Option<&str> {
    parts(sealed).map(|(id, _, _)| id)
}

fn read(path: &Path) -> Result<Vec<Key>, SealError> {
    let fault = |reason: String| SealError::File { path: path.display().to_string(), reason };
    let metadata = std::fs::metadata(path).map_err(|error| fault(error.to_string()))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(fault("others than its owner may read it; chmod 600".into()));
    }
    if metadata.len() > 64 << 10 {
        return Err(fault("it is too long".into()));
    }
    let text = std::fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
    let mut keys = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let key = line.trim().split_once(' ').and_then(|(id, secret)| {
            let secret = URL_SAFE_NO_PAD.decode(secret.trim()).ok()?.try_into().ok()?;
            Some(Key { id: id.to_owned(), secret })
        });
        keys.push(key.ok_or_else(|| fault(format!("line {} is no key", keys.len() + 1)))?);
    }
    if keys.is_empty() || keys.len() > MAX_KEYS {
        return Err(fault("it has no key, or more than 64".into()));
    }
    Ok(keys)
}

/// Whole or not at all. `new`: only if there is none.
fn write(path: &Path, keys: &[Key], new: bool) -> Result<(), SealError> {
    let fault = |error: std::io::Error| SealError::File { path: path.display().to_string(), reason: error.to_string() };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(fault)?;
    }
    let mut text =
        String::from("# Keys that secrets of ottwatch are sealed with. Keep a copy apart from the database.\n");
    for key in keys {
        text.push_str(&format!("{} {}\n", key.id, URL_SAFE_NO_PAD.encode(key.secret)));
    }
    let partial = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial);
    let done = file.as_mut().map_err(|error| std::io::Error::new(error.kind(), error.to_string())).and_then(|file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // A link fails where something is; a rename replaces it.
        if new { std::fs::hard_link(&partial, path) } else { std::fs::rename(&partial, path) }
    });
    let _ = std::fs::remove_file(&partial);
    done.map_err(fault)
}

static INSTALLED: RwLock<Option<Keyring>> = RwLock::new(None);

/// Sets the keys of this process. They are the installation's, so there is one set for all services in it.
pub fn install(keys: Keyring) {
    *INSTALLED.write().unwrap_or_else(PoisonError::into_inner) = Some(keys);
}

/// The keys of this process, if any are set.
pub fn installed() -> Option<Keyring> {
    INSTALLED.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Opens a value with the keys of this process.
pub fn open(place: &str, sealed: &str) -> Result<Secret, SealError> {
    installed().ok_or(SealError::NoKeys)?.open(place, sealed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring() -> (Keyring, tempfile::TempDir) {
        let home = tempfile::tempdir().unwrap();
        (Keyring::open_or_create(&home.path().join("deep/secrets.key")).unwrap(), home)
    }

    #[test]
    fn a_value_opens_at_its_place_and_nowhere_else() {
        let (keys, _home) = keyring();
        let here = place("Receiver", "noc-mail", "password_file");
        let sealed = keys.seal(&here, "geheim đó").unwrap();
        assert!(!sealed.contains("geheim") && sealed.starts_with(PREFIX), "{sealed}");
        assert_ne!(sealed, keys.seal(&here, "geheim đó").unwrap(), "another nonce each time");
        assert_eq!(keys.open(&here, &sealed).unwrap().reveal(), "geheim đó");
        assert!(set_at(&sealed).unwrap() > 1_700_000_000);
        for other in ["Receiver/noc-mail/token_file", "Receiver/other/password_file", "Channel/noc-mail/password_file"]
        {
            assert!(matches!(keys.open(other, &sealed), Err(SealError::Forged)), "{other}");
        }
        let flipped = if sealed.ends_with('A') { "B" } else { "A" };
        let cut = &sealed[..sealed.len() - 8];
        let later = sealed.replacen(&set_at(&sealed).unwrap().to_string(), "1", 1);
        for forged in [format!("{cut}AAAAAAA{flipped}"), cut.to_owned(), later] {
            assert!(keys.open(&here, &forged).is_err(), "{forged}");
        }
        for bad in ["", "sealed:", "sealed:2:a:1:AA", "sealed:1:a", "geheim"] {
            assert!(matches!(keys.open(&here, bad), Err(SealError::Form)), "{bad}");
        }
        let (others, _home) = keyring();
        assert!(matches!(others.open(&here, &sealed), Err(SealError::UnknownKey { .. })));
        assert!(matches!(keys.seal(&here, &"x".repeat(MAX_BYTES + 1)), Err(SealError::TooLong)));
    }

    #[test]
    fn keys_rotate_and_others_notice() {
        let (keys, _home) = keyring();
        let other = Keyring::open_or_create(&keys.path).unwrap();
        let old = keys.seal("p", "a").unwrap();
        let id = keys.rotate().unwrap();
        let new = keys.seal("p", "b").unwrap();
        assert_eq!((key_of(&new), keys.ids().len()), (Some(id.as_str()), 2));
        assert_eq!(other.open("p", &new).unwrap().reveal(), "b", "read again");
        assert_eq!(other.open("p", &old).unwrap().reveal(), "a");
        assert_eq!(keys.drop_old().unwrap(), 1);
        assert!(keys.open("p", &new).is_ok());
        assert!(matches!(keys.open("p", &old), Err(SealError::UnknownKey { .. })));
    }

    #[test]
    fn the_file_is_for_its_owner_only_and_never_shown() {
        let (keys, _home) = keyring();
        let mode = std::fs::metadata(&keys.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = std::fs::read_to_string(&keys.path).unwrap();
        let secret = text.lines().last().unwrap().split_once(' ').unwrap().1;
        assert!(!format!("{keys:?}").contains(secret));
        std::fs::set_permissions(&keys.path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Keyring::open_or_create(&keys.path).unwrap_err().to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
        std::fs::set_permissions(&keys.path, std::fs::Permissions::from_mode(0o600)).unwrap();
        for bad in ["", "a", "a geheim", "# nothing"] {
            std::fs::write(&keys.path, bad).unwrap();
            let refused = Keyring::open_or_create(&keys.path).unwrap_err().to_string();
            assert!(!refused.contains("geheim"), "{refused}");
        }
    }
}
