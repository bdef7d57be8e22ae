//! Random secrets, and the hashes of them that are kept.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ow_store::access::SecretHash;
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};

/// Bytes of every random secret.
const N_BYTES: usize = 32;
/// Characters of 32 bytes in base64url without padding.
const N_CHARS: usize = 43;
/// What a token of a person begins with, so that it is found where it should not be.
pub const TOKEN_PREFIX: &str = "ow_pat_";

/// The system gave no randomness: nothing secret can be made.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct NoRandomness;

/// 32 random bytes as 43 characters of `A-Z a-z 0-9 - _`.
pub fn random() -> Result<String, NoRandomness> {
    let mut bytes = [0; N_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// A token: `ow_pat_` and 43 characters.
pub fn random_token() -> Result<String, NoRandomness> {
    Ok(format!("{TOKEN_PREFIX}{}", random()?))
}

/// What is kept of a secret. It is random, so that a plain hash is enough.
pub fn hash(secret: &str) -> SecretHash {
    Sha256::digest(secret.as_bytes()).into()
}

/// Another secret made of one, for another purpose: knowing one does not help to find the other.
pub fn derive(purpose: &str, secret: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(b"ottwatch/");
    digest.update(purpose.as_bytes());
    digest.update([0]);
    digest.update(secret.as_bytes());
    URL_SAFE_NO_PAD.encode(digest.finalize())
}

/// Whether a text can be what [`random`] gave; everything else need not be looked for.
pub fn is_well_formed(secret: &str) -> bool {
    secret.len() == N_CHARS && secret.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// The same time wherever they differ. Their lengths are no secret.
pub fn is_same(a: &str, b: &str) -> bool {
    let difference = a.bytes().zip(b.bytes()).fold(0_u8, |sum, (a, b)| sum | (a ^ b));
    a.len() == b.len() && std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_and_never_the_same() {
        let (a, b) = (random().unwrap(), random().unwrap());
        assert!(is_well_formed(&a) && a != b);
        let token = random_token().unwrap();
        assert!(is_well_formed(token.strip_prefix(TOKEN_PREFIX).unwrap()));
        for bad in ["", "x", &a[1..], &format!("{a}x"), &format!("{}=", &a[1..]), &format!("{}đ", &a[2..])] {
            assert!(!is_well_formed(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_derived_depends_on_purpose_and_secret() {
        assert_eq!(derive("csrf", "x"), derive("csrf", "x"));
        assert_ne!(derive("csrf", "x"), derive("csrf", "y"));
        assert_ne!(derive("csrf", "x"), derive("nonce", "x"));
        assert_ne!(derive("a", "b"), derive("ab", ""));
        assert!(is_same("abc", "abc") && !is_same("abc", "abd") && !is_same("abc", "ab") && !is_same("", "a"));
    }
}
