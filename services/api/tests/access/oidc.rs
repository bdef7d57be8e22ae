//! Signing in at an OpenID provider: a small one on loopback, honest and otherwise.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ow_domain::access::Role;
use reqwest::Method;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::server::{Api, Browser, cookie_of};

/// How the provider lies.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Lie {
    None,
    Nonce,
    Audience,
    Issuer,
    Expired,
    AlgNone,
    /// HMAC with the public key as its secret.
    AlgConfusion,
    UnknownKey,
    OtherKey,
    NoToken,
}

struct Provider {
    issuer: String,
    key: EcdsaKeyPair,
    stranger: EcdsaKeyPair,
    lie: Mutex<Lie>,
    /// Name of the key that is published.
    kid: Mutex<String>,
    groups: Mutex<Value>,
    /// Of the authorization request under way.
    nonce: Mutex<String>,
    challenge: Mutex<String>,
}

fn key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap()
}

impl Provider {
    async fn start() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = Arc::new(Self {
            issuer: format!("http://{}", listener.local_addr().unwrap()),
            key: key(),
            stranger: key(),
            lie: Mutex::new(Lie::None),
            kid: Mutex::new("k1".into()),
            groups: Mutex::new(json!(["noc"])),
            nonce: Mutex::default(),
            challenge: Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(jwks))
            .route("/token", post(token))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        provider
    }

    fn sign(&self) -> String {
        let lie = *self.lie.lock().unwrap();
        let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
        let pick = |when: Lie, lied: Value, honest: Value| if lie == when { lied } else { honest };
        let claims = json!({
            "iss": pick(Lie::Issuer, json!("https://evil.example"), json!(self.issuer)),
            "aud": pick(Lie::Audience, json!("another"), json!("ottwatch")),
            "nonce": pick(Lie::Nonce, json!("another"), json!(*self.nonce.lock().unwrap())),
            "exp": pick(Lie::Expired, json!(now - 3600), json!(now + 300)),
            "iat": now, "sub": "person-42", "preferred_username": "thu", "name": "Thu", "email": "thu@example.net",
            "groups": *self.groups.lock().unwrap(),
        });
        let header = match lie {
            Lie::AlgNone => json!({"alg": "none"}),
            Lie::AlgConfusion => json!({"alg": "HS256", "kid": "k1"}),
            Lie::UnknownKey => json!({"alg": "ES256", "kid": "k9"}),
            _ => json!({"alg": "ES256", "kid": *self.kid.lock().unwrap()}),
        };
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = match lie {
            Lie::AlgNone => Vec::new(),
            Lie::AlgConfusion => {
                let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, self.key.public_key().as_ref());
                ring::hmac::sign(&secret, signed.as_bytes()).as_ref().to_vec()
            }
            lie => {
                let key = if lie == Lie::OtherKey { &self.stranger } else { &self.key };
                key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec()
            }
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

async fn discovery(State(provider): State<Arc<Provider>>) -> Json<Value> {
    let at = |path: &str| format!("{}{path}", provider.issuer);
    Json(json!({"issuer": provider.issuer, "authorization_endpoint": at("/authorize?tenant=a"),
        "token_endpoint": at("/token"), "jwks_uri": at("/jwks")}))
}

async fn jwks(State(provider): State<Arc<Provider>>) -> Json<Value> {
    let point = provider.key.public_key().as_ref();
    let kid = provider.kid.lock().unwrap().clone();
    Json(json!({"keys": [{"kty": "EC", "crv": "P-256", "use": "sig", "kid": kid,
        "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..])}]}))
}

/// Gives a token for the right code and verifier only.
async fn token(State(provider): State<Arc<Provider>>, body: String) -> Json<Value> {
    let form: std::collections::BTreeMap<String, String> =
        url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(form["code_verifier"].as_bytes()));
    let good = form["grant_type"] == "authorization_code"
        && form["code"] == "the-code"
        && form["client_id"] == "ottwatch"
        && form["redirect_uri"].ends_with("/api/v1/session/oidc/callback")
        && challenge == *provider.challenge.lock().unwrap();
    if !good || *provider.lie.lock().unwrap() == Lie::NoToken {
        return Json(json!({"error": "invalid_grant"}));
    }
    Json(json!({"access_token": "unused", "token_type": "Bearer", "id_token": provider.sign()}))
}

async fn api_with(provider: &Provider) -> Api {
    let issuer = provider.issuer.clone();
    Api::start(|config, base| {
        config.public_url = base.into();
        config.oidc.issuer = issuer;
        config.oidc.client_id = "ottwatch".into();
        config.oidc.scopes = vec!["profile".into(), "groups".into()];
        for (value, role, scope) in [("admins", Role::Admin, ""), ("noc", Role::Operator, "group=sport")] {
            let mapping = json!({"value": value, "role": role, "label_scope": scope});
            config.oidc.roles.push(serde_json::from_value(mapping).unwrap());
        }
        assert!(config.validate().is_empty(), "{:?}", config.validate());
    })
    .await
}

/// The browser goes to the provider, which notes what was asked: the state, and the cookie.
async fn begin(api: &Api, provider: &Provider) -> (String, String) {
    let response = api.send(Method::GET, "/session/oidc?return_to=/wall", &[], None).await;
    assert_eq!(response.status(), 303);
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let location = url::Url::parse(response.headers()["location"].to_str().unwrap()).unwrap();
    let asked: std::collections::BTreeMap<_, _> = location.query_pairs().into_owned().collect();
    assert_eq!((asked["response_type"].as_str(), asked["code_challenge_method"].as_str()), ("code", "S256"));
    assert_eq!((asked["scope"].as_str(), asked["tenant"].as_str()), ("openid profile groups", "a"));
    provider.nonce.lock().unwrap().clone_from(&asked["nonce"]);
    provider.challenge.lock().unwrap().clone_from(&asked["code_challenge"]);
    (asked["state"].clone(), cookie_of(&response, "ottwatch_oidc=").unwrap())
}

async fn come_back(api: &Api, query: &str, cookie: &str) -> reqwest::Response {
    api.send(Method::GET, &format!("/session/oidc/callback?{query}"), &[("cookie", cookie)], None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_of_the_provider_signs_in_with_the_role_of_their_group() {
    let provider = Provider::start().await;
    let api = api_with(&provider).await;
    let (_, methods) = api.with(Method::GET, "/session/methods", &[], None).await;
    assert_eq!(methods["oidc"], "Single sign-on");
    let (state, cookie) = begin(&api, &provider).await;
    let response = come_back(&api, &format!("state={state}&code=the-code"), &cookie).await;
    assert_eq!(response.status(), 200);
    let session = cookie_of(&response, "ottwatch_session=").unwrap();
    assert_eq!(cookie_of(&response, "ottwatch_oidc=").as_deref(), Some("ottwatch_oidc="), "taken away");
    assert!(response.text().await.unwrap().contains("url=/wall"));
    let (_, me) = api.with(Method::GET, "/session", &[("cookie", &session)], None).await;
    assert_eq!((&me["actor"], &me["role"]), (&json!("user:thu"), &json!("operator")));
    assert_eq!(me["label_scope"]["group"][0], "sport");
    let thu = Browser { cookie: session, csrf: me["csrf_token"].as_str().unwrap().into() };
    assert_eq!(api.by(&thu, Method::GET, "/me/sessions", None).await.1["items"][0]["method"], "oidc");

    // Another group at the next sign-in is another role, for all that this person has.
    *provider.groups.lock().unwrap() = json!(["admins"]);
    let (state, cookie) = begin(&api, &provider).await;
    assert_eq!(come_back(&api, &format!("state={state}&code=the-code"), &cookie).await.status(), 200);
    assert_eq!(api.by(&thu, Method::GET, "/me", None).await.1["role"], "admin");
    *provider.groups.lock().unwrap() = json!(["sales"]);
    let (state, cookie) = begin(&api, &provider).await;
    assert_eq!(come_back(&api, &format!("state={state}&code=the-code"), &cookie).await.status(), 403);
    // There is no password to guess or to be invited to.
    assert_eq!(api.sign_in("thu", "").await.status(), 401);
    assert_eq!(api.admin(Method::POST, "/users/thu/invitation", None).await.0, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_lie_are_not_believed() {
    let provider = Provider::start().await;
    let api = api_with(&provider).await;
    for lie in [
        Lie::Nonce,
        Lie::Audience,
        Lie::Issuer,
        Lie::Expired,
        Lie::AlgNone,
        Lie::AlgConfusion,
        Lie::UnknownKey,
        Lie::OtherKey,
        Lie::NoToken,
    ] {
        *provider.lie.lock().unwrap() = lie;
        let (state, cookie) = begin(&api, &provider).await;
        let response = come_back(&api, &format!("state={state}&code=the-code"), &cookie).await;
        assert_eq!(response.status(), 401, "{lie:?}");
        assert_eq!(cookie_of(&response, "ottwatch_session="), None, "{lie:?}");
    }
    assert_eq!(api.admin(Method::GET, "/users", None).await.1["items"], json!([]), "nobody was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_were_not_asked_for_are_refused() {
    let provider = Provider::start().await;
    let api = api_with(&provider).await;
    let (state, cookie) = begin(&api, &provider).await;
    let good = format!("state={state}&code=the-code");
    assert_eq!(come_back(&api, &good, &cookie).await.status(), 200);
    assert_eq!(come_back(&api, &good, &cookie).await.status(), 401, "replayed");

    // The attacker's own answer in the victim's browser.
    let (state, _) = begin(&api, &provider).await;
    let (_, victim) = begin(&api, &provider).await;
    assert_eq!(come_back(&api, &format!("state={state}&code=the-code"), &victim).await.status(), 401);
    let (state, cookie) = begin(&api, &provider).await;
    assert_eq!(come_back(&api, &format!("state={state}&code=the-code"), "").await.status(), 401, "no cookie");
    assert_eq!(come_back(&api, &format!("state={state}&code=the-code"), &cookie).await.status(), 401, "used up");
    for query in ["state=forged&code=the-code", "code=the-code", "", "state=&code="] {
        let (_, cookie) = begin(&api, &provider).await;
        assert_eq!(come_back(&api, query, &cookie).await.status(), 401, "{query}");
    }
    for more in ["&iss=https://evil.example&code=the-code", "&error=access_denied", "", "&code=stolen"] {
        let (state, cookie) = begin(&api, &provider).await;
        assert_eq!(come_back(&api, &format!("state={state}{more}"), &cookie).await.status(), 401, "{more}");
    }
    // The code of another sign-in: its verifier is another.
    let (state, cookie) = begin(&api, &provider).await;
    provider.challenge.lock().unwrap().push('x');
    assert_eq!(come_back(&api, &format!("state={state}&code=the-code"), &cookie).await.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_a_local_person_is_not_taken_over() {
    let provider = Provider::start().await;
    let api = api_with(&provider).await;
    api.person("thu", "viewer").await;
    let (state, cookie) = begin(&api, &provider).await;
    let response = come_back(&api, &format!("state={state}&code=the-code"), &cookie).await;
    assert_eq!(response.status(), 409);
    assert_eq!(api.admin(Method::GET, "/users/thu", None).await.1["role"], "viewer");
}
