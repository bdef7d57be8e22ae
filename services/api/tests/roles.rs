//! Every operation of the document against everybody who may ask: who is let in, and who is told 401 or 403.
//!
//! The operations come from the document, so a new one is covered by being there. What each permission needs is written
//! here once more, so that a slip in the code does not change what is expected.

use std::collections::BTreeMap;

use ow_api::{ApiConfig, Deps, serve};
use ow_domain::access::{LabelScope, Permission, Permissions, Role};
use ow_domain::config::ChangedBy;
use ow_domain::{Span, Time};
use ow_service::Ops;
use ow_store::Store;
use ow_store::access::{NewToken, NewUser};
use ow_testkit::{test_bus, test_store};
use reqwest::{Client, Method};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Permission and the lowest role that has it; 0 needs nobody, 1 is anybody known.
const LEAST: &[(&str, u8)] = &[
    ("public", 0),
    ("self", 1),
    ("read", 1),
    ("alarms.operate", 2),
    ("silences.write", 2),
    ("receivers.test", 2),
    ("deliveries.resend", 2),
    ("config.write", 3),
    ("probes.manage", 3),
    ("audit.read", 3),
    ("users.manage", 4),
    ("tokens.manage", 4),
    ("secrets.write", 4),
    ("system.manage", 4),
];

/// Somebody who asks.
struct Asker {
    what: &'static str,
    token: Option<String>,
    /// 0: not let in; 1 viewer to 4 admin.
    rank: u8,
    /// What a token was given; `None`: all that its owner has.
    scopes: Option<&'static [&'static str]>,
}

impl Asker {
    /// `None`: let in; else the status of the refusal.
    fn refusal(&self, word: &str) -> Option<u16> {
        let least = LEAST.iter().find(|(w, _)| *w == word).unwrap_or_else(|| panic!("{word} is not in the table")).1;
        let given = self.scopes.is_none_or(|scopes| least == 0 || word == "self" || scopes.contains(&word));
        match self.rank {
            _ if least == 0 => None,
            0 => Some(401),
            rank if rank >= least && given => None,
            _ => Some(403),
        }
    }
}

fn secret(name: &str) -> String {
    let filled = format!("{name:-<43}");
    format!("ow_pat_{filled}")
}

async fn person(store: &Store, name: &str, role: Role, scope: Option<&str>) {
    let new = NewUser {
        name: name.into(),
        display_name: name.into(),
        email: String::new(),
        role,
        label_scope: scope.map(|text| text.parse::<LabelScope>().unwrap()),
        password: None,
    };
    store.create_user(&new, now(), &by()).await.unwrap();
}

/// A token with all that may be given, or with `scopes`.
async fn token(store: &Store, user: &str, scopes: Option<&[&str]>, expires_at: Option<Time>) -> String {
    let secret = secret(&format!("{user}-{}-{}", scopes.map_or(0, <[&str]>::len), expires_at.is_some()));
    let all: Permissions = Permission::ALL.into_iter().filter(|p| p.is_grantable()).collect();
    let scopes = scopes.map(|words| words.iter().map(|word| word.parse::<Permission>().unwrap()).collect());
    let new = NewToken {
        name: format!("t{}", secret.len() + secret.bytes().map(usize::from).sum::<usize>()),
        user: user.into(),
        hash: Sha256::digest(secret.as_bytes()).into(),
        hint: "test".into(),
        scopes: scopes.unwrap_or(all),
        label_scope: None,
        expires_at,
    };
    store.create_token(&new, now() - Span::from_secs(7200), &by()).await.unwrap();
    secret
}

fn by() -> ChangedBy {
    ChangedBy { actor: "test".into(), source: "test".into() }
}

fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Time::from_unix_micros(since.as_micros() as i64)
}

async fn askers(store: &Store) -> Vec<Asker> {
    let mut all = vec![
        Asker { what: "anonymous", token: None, rank: 0, scopes: None },
        Asker { what: "a token that is none", token: Some("nonsense".into()), rank: 0, scopes: None },
        Asker { what: "a token nobody has", token: Some(secret("nobody")), rank: 0, scopes: None },
    ];
    for (rank, role) in (1..).zip(Role::ALL) {
        let name = role.as_str();
        person(store, name, role, None).await;
        all.push(Asker { what: name, token: Some(token(store, name, None, None).await), rank, scopes: None });
    }
    person(store, "sport", Role::Engineer, Some("group=sport")).await;
    let scoped = token(store, "sport", None, None).await;
    all.push(Asker { what: "engineer of some channels", token: Some(scoped), rank: 3, scopes: None });
    let scopes: &[&str] = &["read", "config.write"];
    let narrow = token(store, "admin", Some(scopes), None).await;
    all.push(Asker { what: "admin's narrow token", token: Some(narrow), rank: 4, scopes: Some(scopes) });
    let wide: &[&str] = &["read", "config.write", "users.manage"];
    let more = token(store, "viewer", Some(wide), None).await;
    all.push(Asker { what: "viewer's token with more than the role", token: Some(more), rank: 1, scopes: Some(wide) });
    let expired = token(store, "admin", None, Some(now() - Span::from_secs(60))).await;
    all.push(Asker { what: "expired", token: Some(expired), rank: 0, scopes: None });
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_lets_in_whom_it_says_and_nobody_else() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (bus, store) = (test_bus().await.unwrap(), test_store().await.unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    let config = ApiConfig { rate_limit: 0, ..ApiConfig::default() };
    let deps = Deps { bus, store: store.clone(), ops: Ops::default() };
    let stop = shutdown.clone();
    let task = tokio::spawn(async move { serve(listener, config, deps, stop).await.unwrap() });

    let askers = askers(&store).await;
    let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let document = ow_api::openapi();
    let (mut wrong, mut n_asked) = (Vec::new(), 0);
    let mut by_word: BTreeMap<&str, usize> = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let word = operation["x-permission"].as_str().unwrap();
            *by_word.entry(word).or_default() += 1;
            for asker in &askers {
                let mut request = client.request(
                    Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(),
                    format!("{base}{}", filled(path)),
                );
                if let Some(token) = &asker.token {
                    request = request.bearer_auth(token);
                }
                if let Some((kind, _)) = operation["requestBody"]["content"].as_object().and_then(|c| c.iter().next()) {
                    let body = if kind.contains("json") { "{}" } else { "nothing: [" };
                    request = request.header("content-type", kind.as_str()).body(body);
                }
                let response = request.send().await.unwrap();
                let status = response.status().as_u16();
                n_asked += 1;
                // A stream of events never ends; of the others the code tells who refused.
                let refused = matches!(status, 401 | 403);
                let code = if refused { response.json::<Value>().await.unwrap()["code"].clone() } else { Value::Null };
                let good = match asker.refusal(word) {
                    Some(403) => status == 403 && code == "forbidden",
                    Some(expected) => status == expected,
                    // Let in; what the operation itself refuses (a person is needed, no CSRF token) has codes of its own.
                    None => status < 500 && code != "forbidden" && !(status == 401 && word != "public"),
                };
                if !good {
                    wrong
                        .push(format!("{} as {}: {status} {code}, needs {word}", operation["operationId"], asker.what));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {n_asked}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(by_word.len() >= 4 && n_asked > 100, "{by_word:?}");
    shutdown.cancel();
    task.await.unwrap();
}

/// The path with names of things that are not there.
fn filled(path: &str) -> String {
    let mut parts = path.split('{');
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        text += "none";
        text += part.split_once('}').unwrap().1;
    }
    text
}
