//! The bearer token. Only its hash is known here.

use sha2::{Digest, Sha256};

/// SHA-256 of the token.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

/// The text is not 64 hex digits.
#[derive(Debug, PartialEq, Eq)]
pub struct NotAHash;

impl std::fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

/// What the setting `token_sha256` says for this token.
pub fn token_sha256(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl TokenHash {
    /// Empty text: no token is set.
    pub fn parse(hex: &str) -> Result<Option<Self>, NotAHash> {
        if hex.is_empty() {
            return Ok(None);
        }
        if hex.len() != 64 || !hex.is_ascii() {
            return Err(NotAHash);
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| NotAHash)?;
            if pair.starts_with('+') {
                return Err(NotAHash);
            }
            *byte = u8::from_str_radix(pair, 16).map_err(|_| NotAHash)?;
        }
        Ok(Some(Self(hash)))
    }

    /// Whether an `Authorization` header carries the token. Takes the same time wherever the hashes differ.
    pub fn admits(&self, authorization: Option<&str>) -> bool {
        let token = authorization.and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let Some(token) = token else { return false };
        let given: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let difference = self.0.iter().zip(given).fold(0_u8, |sum, (a, b)| sum | (a ^ b));
        std::hint::black_box(difference) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_token_is_admitted_and_no_other() {
        // printf %s test | sha256sum
        let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let hash = TokenHash::parse(hash).unwrap().unwrap();
        for (header, admitted) in [
            (Some("Bearer test"), true),
            (Some("bearer test"), true),
            (Some("Bearer Test"), false),
            (Some("Bearer "), false),
            (Some("Bearer"), false),
            (Some("Basic test"), false),
            (Some("test"), false),
            (None, false),
        ] {
            assert_eq!(hash.admits(header), admitted, "{header:?}");
        }
        assert!(!format!("{hash:?}").contains("159"));
        assert_eq!(token_sha256("test"), "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");
        assert_eq!(TokenHash::parse(""), Ok(None));
        for bad in ["test", &"g".repeat(64), &"+1".repeat(32), &"đ".repeat(32)] {
            assert!(TokenHash::parse(bad).is_err(), "{bad}");
        }
    }
}
