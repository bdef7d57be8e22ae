//! ID tokens: signature and claims (OpenID Connect Core 1.0 §3.1.3.7, RFC 7519, RFC 8725). RS256 and ES256, nothing
//! else: which one holds is said by the provider's key, so that no header of a token can choose another.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ow_domain::Time;
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;

use crate::access::secret::is_same;

/// Longest token in bytes.
const MAX_BYTES: usize = 32 << 10;
/// Most keys of a provider that are looked at.
const MAX_KEYS: usize = 64;
/// How far the provider's clock may be from ours, in seconds.
const SKEW: i64 = 60;
/// A token older than this was not made for the sign-in that just came back, in seconds.
const MAX_AGE: i64 = 600;

/// A key of the provider (RFC 7517), if it is one that signs and that we can use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    id: Option<String>,
    kind: KeyKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum KeyKind {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// Uncompressed point.
    P256(Vec<u8>),
}

impl KeyKind {
    const fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa { .. } => "RS256",
            Self::P256(_) => "ES256",
        }
    }
}

/// What a token must say.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    pub now: Time,
}

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    #[error("it is no signed token of three parts")]
    Form,
    #[error("its algorithm is neither RS256 nor ES256, or not that of the key")]
    Algorithm,
    #[error("the provider has no such key")]
    UnknownKey,
    #[error("its signature is wrong")]
    Signature,
    #[error("it has another issuer")]
    Issuer,
    #[error("it was made for another client")]
    Audience,
    #[error("it has expired, or is not valid yet, or is old")]
    Time,
    #[error("it was made for another sign-in")]
    Nonce,
    #[error("it names nobody")]
    Subject,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// Keys of a JWK set; those for other uses or of other kinds are left out.
pub fn keys(set: &Value) -> Vec<Key> {
    let text = |key: &Value, name: &str| key[name].as_str().map(str::to_owned);
    let bytes = |key: &Value, name: &str| key[name].as_str().and_then(|b| URL_SAFE_NO_PAD.decode(b).ok());
    let read = |key: &Value| -> Option<Key> {
        if key["use"].as_str().is_some_and(|usage| usage != "sig") {
            return None;
        }
        let kind = match key["kty"].as_str()? {
            "RSA" => KeyKind::Rsa { n: bytes(key, "n")?, e: bytes(key, "e")? },
            "EC" if key["crv"] == "P-256" => {
                let (x, y) = (bytes(key, "x")?, bytes(key, "y")?);
                if x.len() != 32 || y.len() != 32 {
                    return None;
                }
                KeyKind::P256([&[4], &x[..], &y[..]].concat())
            }
            _ => return None,
        };
        if key["alg"].as_str().is_some_and(|alg| alg != kind.algorithm()) {
            return None;
        }
        Some(Key { id: text(key, "kid"), kind })
    };
    set["keys"].as_array().into_iter().flatten().take(MAX_KEYS).filter_map(read).collect()
}

/// The claims of a token that is believed.
pub fn verify(token: &str, keys: &[Key], expected: &Expected<'_>) -> Result<Value, TokenFault> {
    if token.len() > MAX_BYTES {
        return Err(TokenFault::Form);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenFault::Form)?;
    let (header, payload) = signed.split_once('.').ok_or(TokenFault::Form)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::Form);
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| TokenFault::Form)?;
    if header.crit.is_some() || !matches!(header.alg.as_str(), "RS256" | "ES256") {
        return Err(TokenFault::Algorithm);
    }
    let key = match &header.kid {
        Some(id) => keys.iter().find(|key| key.id.as_ref() == Some(id)),
        // Without a name only where there is nothing to choose from.
        None => keys.first().filter(|_| keys.len() == 1),
    };
    let key = key.ok_or(TokenFault::UnknownKey)?;
    if key.kind.algorithm() != header.alg {
        return Err(TokenFault::Algorithm);
    }
    let signature = decode(signature)?;
    let good = match &key.kind {
        KeyKind::Rsa { n, e } => {
            RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature)
        }
        KeyKind::P256(point) => {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed.as_bytes(), &signature)
        }
    };
    good.map_err(|_| TokenFault::Signature)?;
    let claims: Value = serde_json::from_slice(&decode(payload)?).map_err(|_| TokenFault::Form)?;
    check(&claims, expected)?;
    Ok(claims)
}

fn check(claims: &Value, expected: &Expected<'_>) -> Result<(), TokenFault> {
    if claims["iss"] != expected.issuer {
        return Err(TokenFault::Issuer);
    }
    let client = expected.client_id;
    let is_for_us = match &claims["aud"] {
        Value::String(one) => one == client,
        // One among several audiences only if it was made on our behalf.
        Value::Array(all) => all.iter().any(|one| one == client) && (all.len() == 1 || claims["azp"] == client),
        _ => false,
    };
    if !is_for_us || claims["azp"].as_str().is_some_and(|azp| azp != client) {
        return Err(TokenFault::Audience);
    }
    let now = expected.now.unix_seconds();
    let seconds = |name: &str| claims[name].as_f64().map(|at| at as i64);
    let expires = seconds("exp").ok_or(TokenFault::Time)?;
    let issued = seconds("iat").ok_or(TokenFault::Time)?;
    let begins = seconds("nbf").unwrap_or(issued);
    let too_early = issued.max(begins) > now.saturating_add(SKEW);
    if expires <= now.saturating_sub(SKEW) || too_early || issued < now.saturating_sub(MAX_AGE) {
        return Err(TokenFault::Time);
    }
    if !is_same(claims["nonce"].as_str().unwrap_or_default(), expected.nonce) || expected.nonce.is_empty() {
        return Err(TokenFault::Nonce);
    }
    match claims["sub"].as_str() {
        Some(subject) if (1..=255).contains(&subject.len()) => Ok(()),
        _ => Err(TokenFault::Subject),
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use serde_json::json;

    use super::*;

    struct Signer(EcdsaKeyPair);

    impl Signer {
        fn new() -> Self {
            let random = SystemRandom::new();
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
            Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap())
        }

        fn jwk(&self, id: &str) -> Value {
            let point = self.0.public_key().as_ref();
            json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": id,
                "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..])})
        }

        fn sign(&self, header: &Value, claims: &Value) -> String {
            let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let signed = format!("{}.{}", part(header), part(claims));
            let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
        }
    }

    const NOW: i64 = 1_795_000_000;

    fn claims() -> Value {
        json!({"iss": "https://id.example", "aud": "ottwatch", "sub": "42", "nonce": "n", "iat": NOW, "exp": NOW + 300})
    }

    fn expected() -> Expected<'static> {
        let now = Time::from_unix_micros(NOW * 1_000_000);
        Expected { issuer: "https://id.example", client_id: "ottwatch", nonce: "n", now }
    }

    #[test]
    fn claims_are_those_of_this_sign_in() {
        let signer = Signer::new();
        let keys = keys(&json!({"keys": [signer.jwk("k1")]}));
        let with = |change: Value| {
            let mut claims = claims();
            for (name, value) in change.as_object().unwrap() {
                claims[name] = value.clone();
            }
            verify(&signer.sign(&json!({"alg": "ES256", "kid": "k1"}), &claims), &keys, &expected()).err()
        };
        for (change, fault) in [
            (json!({}), None),
            (json!({"aud": ["ottwatch"]}), None),
            (json!({"aud": ["ottwatch", "b"], "azp": "ottwatch"}), None),
            (json!({"exp": NOW - 30}), None),
            (json!({"iss": "https://id.example/"}), Some(TokenFault::Issuer)),
            (json!({"iss": null}), Some(TokenFault::Issuer)),
            (json!({"aud": "other"}), Some(TokenFault::Audience)),
            (json!({"aud": ["other"]}), Some(TokenFault::Audience)),
            (json!({"aud": ["ottwatch", "b"]}), Some(TokenFault::Audience)),
            (json!({"azp": "b"}), Some(TokenFault::Audience)),
            (json!({"exp": NOW - 61}), Some(TokenFault::Time)),
            (json!({"exp": null}), Some(TokenFault::Time)),
            (json!({"exp": "later"}), Some(TokenFault::Time)),
            (json!({"iat": NOW + 61}), Some(TokenFault::Time)),
            (json!({"iat": NOW - 601}), Some(TokenFault::Time)),
            (json!({"nbf": NOW + 61}), Some(TokenFault::Time)),
            (json!({"nonce": "m"}), Some(TokenFault::Nonce)),
            (json!({"nonce": null}), Some(TokenFault::Nonce)),
            (json!({"sub": ""}), Some(TokenFault::Subject)),
            (json!({"sub": 42}), Some(TokenFault::Subject)),
        ] {
            assert_eq!(with(change.clone()), fault, "{change}");
        }
    }

    #[test]
    fn no_header_chooses_how_it_is_verified() {
        let (signer, other) = (Signer::new(), Signer::new());
        let set = json!({"keys": [signer.jwk("k1"), {"kty": "oct", "kid": "k2", "k": "c2VjcmV0"},
            {"kty": "RSA", "kid": "k3", "n": "AQAB", "e": "AQAB"}, {"kty": "EC", "crv": "P-256", "kid": "k4", "x": "AA", "y": "AA"}]});
        let all = keys(&set);
        assert_eq!(all.len(), 2, "symmetric and broken keys are none");
        let result = |header: Value| verify(&signer.sign(&header, &claims()), &all, &expected()).err();
        for (header, fault) in [
            (json!({"alg": "ES256", "kid": "k1"}), None),
            (json!({"alg": "none", "kid": "k1"}), Some(TokenFault::Algorithm)),
            (json!({"alg": "HS256", "kid": "k1"}), Some(TokenFault::Algorithm)),
            (json!({"alg": "RS256", "kid": "k1"}), Some(TokenFault::Algorithm)),
            (json!({"alg": "es256", "kid": "k1"}), Some(TokenFault::Algorithm)),
            (json!({"alg": "ES256", "kid": "k1", "crit": ["x"]}), Some(TokenFault::Algorithm)),
            (json!({"alg": "ES256", "kid": "k9"}), Some(TokenFault::UnknownKey)),
            (json!({"alg": "ES256"}), Some(TokenFault::UnknownKey)),
            (json!({"alg": "RS256", "kid": "k3"}), Some(TokenFault::Signature)),
            (json!({"kid": "k1"}), Some(TokenFault::Form)),
        ] {
            assert_eq!(result(header.clone()), fault, "{header}");
        }
        // HMAC over the public key, the old trick.
        let good = signer.sign(&json!({"alg": "ES256", "kid": "k1"}), &claims());
        let (signed, _) = good.rsplit_once('.').unwrap();
        for (token, fault) in [
            (format!("{signed}."), TokenFault::Signature),
            (format!("{signed}.{}", URL_SAFE_NO_PAD.encode([0; 64])), TokenFault::Signature),
            (signed.to_owned(), TokenFault::Form),
            (other.sign(&json!({"alg": "ES256", "kid": "k1"}), &claims()), TokenFault::Signature),
            (String::new(), TokenFault::Form),
            ("a.b.c".into(), TokenFault::Form),
            ("đ".repeat(20_000), TokenFault::Form),
        ] {
            assert_eq!(verify(&token, &all, &expected()).err(), Some(fault), "{token:.60}");
        }
        let single = keys(&json!({"keys": [signer.jwk("k1")]}));
        assert!(verify(&signer.sign(&json!({"alg": "ES256"}), &claims()), &single, &expected()).is_ok());
    }

    /// Signed elsewhere (openssl); the private key is gone.
    #[test]
    fn rs256_is_verified() {
        const N: &str = "ubYsMK5xZNmarQ_9qXJXZ1FZi27RBACPckQTjRw0t5GCl2nG5_wAbTuFm6YmGv1cBYcqnr0JPILBSzMInYfvUHart2i00I7eirzGmKLoGY--QZ3mseMI_phZwCc12GhhGPFwaicUWpGpdta3sr8CfI39cymkE7J5G18RggxG4d4ddvnzRG269GzuwqJQ3M4dWznLIuRNwxGT-gs1ySsCGJceJrJtPcAI0GRAJqnyNKX11Q5VFjYrFbc5asTS1vFVLb9g_VC_Rnh9mUapIYmj1jWhbUdOAOjdfhWyaz9Dg5kQviv7l1JLf7No7KdwOi_xu0P-EKe_1S8Tn0R26wqmXw";
        const SIGNATURE: &str = "SEqRGJ_aLE1tvM_LSI4VgK2m1C1QSBTUAFFCHMvg1q6I84QYcYjja3bMyOWnFaHvxtIvIfHVhOKu9ERz3DUo9josK-j5U2x-s5OjfA7rsrn-dbJMxieJtMPBywr157lu7oXswecsNf8CGGUMVGpVjwcm-Xno_RkMdRtgPxBpJWhS9_adQnpcWONoCMVt6Fdu5qCikmHw0VIGDp6aoJGU-QfwkkDsDndH7RlFETjgluz6iSQcI0ZZO4NPQ4iMoPcJe3ZY19PHqSKs8L4_vU9qunPaQsM3RFMAfZUC2xGJM8JUm6fuBcpJCTOXilgXoSEgUCSR5738kSntmi8N220Qmw";
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let header = part(r#"{"alg":"RS256","kid":"r1"}"#);
        let payload = part(
            r#"{"iss":"https://id.example","aud":"ottwatch","sub":"42","nonce":"n","iat":1795000000,"exp":1795000300}"#,
        );
        let all = keys(&json!({"keys": [{"kty": "RSA", "kid": "r1", "alg": "RS256", "n": N, "e": "AQAB"}]}));
        let token = format!("{header}.{payload}.{SIGNATURE}");
        assert_eq!(verify(&token, &all, &expected()).unwrap()["sub"], "42");
        let other = payload.replacen("Jo", "JA", 1);
        assert_ne!(other, payload);
        let forged = format!("{header}.{other}.{SIGNATURE}");
        assert_eq!(verify(&forged, &all, &expected()).err(), Some(TokenFault::Signature));
        let encrypts = keys(&json!({"keys": [{"kty": "RSA", "kid": "r1", "use": "enc", "n": N, "e": "AQAB"}]}));
        assert_eq!(verify(&token, &encrypts, &expected()).err(), Some(TokenFault::UnknownKey));
    }
}
