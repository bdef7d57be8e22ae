//! Those who try to get in, or further than they may.

use ow_domain::access::Permission;
use ow_domain::config::ChangedBy;
use ow_domain::{Span, Time};
use ow_store::access::NewToken;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::server::{Api, PASSWORD, browser_of, dump, log};

async fn make_token(api: &Api, name: &str, scopes: &[&str]) -> (String, i64) {
    let browser = api.browser(name).await;
    let (status, made) =
        api.by(&browser, Method::POST, "/me/tokens", Some(json!({"name": "t", "scopes": scopes}))).await;
    assert_eq!(status, 201, "{made}");
    (made["secret"].as_str().unwrap().to_owned(), made["token"]["id"].as_i64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_changes_nothing() {
    let api = Api::start(|_, _| {}).await;
    api.person("thu", "engineer").await;
    let (thu, other) = (api.browser("thu").await, api.browser("thu").await);
    let attempt = async |headers: &[(&str, &str)]| {
        let mut all = vec![("cookie", thu.cookie.as_str())];
        all.extend_from_slice(headers);
        let (status, body) =
            api.with(Method::POST, "/me/tokens", &all, Some(json!({"name": "x", "scopes": ["read"]}))).await;
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    };
    let secret = thu.cookie.split_once('=').unwrap().1;
    for headers in [
        &[][..],
        &[("x-csrf-token", "")],
        &[("x-csrf-token", secret)],
        &[("x-csrf-token", &other.csrf)],
        &[("x-csrf-token", &thu.csrf[1..])],
        &[("x-csrf-token", &thu.csrf), ("sec-fetch-site", "cross-site")],
    ] {
        assert_eq!(attempt(headers).await, (403, "csrf".into()), "{headers:?}");
    }
    // Signing somebody in as the attacker is a change, too.
    let body = Some(json!({"name": "thu", "password": PASSWORD}));
    assert_eq!(api.with(Method::POST, "/session", &[("sec-fetch-site", "cross-site")], body).await.0, 403);
    let form = api.http.post(format!("{}/api/v1/session", api.base)).header("content-type", "text/plain");
    let form = form.body(json!({"name": "thu", "password": PASSWORD}).to_string()).send().await.unwrap();
    assert_eq!(form.status(), 415);
    assert_eq!(attempt(&[("x-csrf-token", &thu.csrf)]).await.0, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_not_fixed_forged_or_replayed() {
    let api = Api::start(|_, _| {}).await;
    api.person("thu", "viewer").await;
    // The attacker's cookie in the victim's browser is not taken over.
    let planted = "A".repeat(43);
    let headers = [("cookie", &*format!("ottwatch_session={planted}"))];
    let response =
        api.send(Method::POST, "/session", &headers, Some(json!({"name": "thu", "password": PASSWORD}))).await;
    let thu = browser_of(response).await;
    assert!(!thu.cookie.contains(&planted));
    let secret = thu.cookie.split_once('=').unwrap().1.to_owned();
    let hash: String = Sha256::digest(secret.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    for cookie in [
        planted.clone(),
        secret[..42].to_owned(),
        format!("{secret}A"),
        secret.to_lowercase(),
        hash,
        format!("{secret}; ottwatch_session={planted}"),
        "' OR 1=1 --".into(),
        String::new(),
    ] {
        let (status, _) =
            api.with(Method::GET, "/me", &[("cookie", &format!("ottwatch_session={cookie}"))], None).await;
        assert_eq!(status, 401, "{cookie}");
    }
    // As a bearer token a session is nothing.
    assert_eq!(api.token(&secret, Method::GET, "/me", None).await.0, 401);
    assert_eq!(api.by(&thu, Method::DELETE, "/session", None).await.0, 204);
    assert_eq!(api.by(&thu, Method::GET, "/me", None).await.0, 401, "replayed");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_others_are_not_there() {
    let api = Api::start(|_, _| {}).await;
    api.person("thu", "admin").await;
    api.person("eve", "admin").await;
    let (thu, eve) = (api.browser("thu").await, api.browser("eve").await);
    let (_, sessions) = api.by(&thu, Method::GET, "/me/sessions", None).await;
    let path = format!("/me/sessions/{}", sessions["items"][0]["id"].as_str().unwrap());
    assert_eq!(api.by(&eve, Method::DELETE, &path, None).await.0, 404);
    assert_eq!(api.by(&eve, Method::DELETE, "/me/sessions/nonsense", None).await.0, 404);
    let (_, id) = make_token(&api, "thu", &["read"]).await;
    assert_eq!(api.by(&eve, Method::DELETE, &format!("/me/tokens/{id}"), None).await.0, 404);
    assert_eq!(api.by(&thu, Method::GET, "/me", None).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_do_no_more_than_they_were_given() {
    let api = Api::start(|_, _| {}).await;
    api.person("thu", "engineer").await;
    api.person("root", "admin").await;
    let (secret, _) = make_token(&api, "thu", &["read"]).await;
    assert_eq!(api.token(&secret, Method::GET, "/channels", None).await.0, 200);
    for (method, path) in [(Method::GET, "/audit"), (Method::POST, "/config:apply"), (Method::GET, "/users")] {
        let (status, body) = api.token(&secret, method, path, None).await;
        assert_eq!((status, &body["code"]), (403, &json!("forbidden")), "{path}");
    }
    // What only a person does.
    let change = json!({"current": PASSWORD, "new": "another good password"});
    let more = json!({"name": "more", "scopes": ["read"]});
    for (method, path, body) in [
        (Method::POST, "/me:change-password", Some(change)),
        (Method::POST, "/me/tokens", Some(more)),
        (Method::GET, "/me/sessions", None),
        (Method::DELETE, "/session", None),
    ] {
        let (status, body) = api.token(&secret, method, path, body).await;
        assert_eq!((status, &body["code"]), (403, &json!("person-needed")), "{path}");
    }
    // Nobody gives away what they do not have, or what no token is given.
    let thu = api.browser("thu").await;
    for (scopes, code) in [
        (json!(["read", "users.manage"]), "not-permitted"),
        (json!(["self"]), "invalid-value"),
        (json!(["public"]), "invalid-value"),
        (json!(["everything"]), "invalid-value"),
        (json!([]), "invalid-value"),
    ] {
        let body = json!({"name": "x", "scopes": scopes});
        let (status, body) = api.by(&thu, Method::POST, "/me/tokens", Some(body)).await;
        assert_eq!((status, &body["errors"][0]["code"]), (422, &json!(code)), "{scopes}");
    }
    let (manager, _) = make_token(&api, "root", &["tokens.manage"]).await;
    let grab = json!({"user": "root", "name": "grab", "scopes": ["system.manage"]});
    assert_eq!(api.token(&manager, Method::POST, "/tokens", Some(grab)).await.0, 422);
    // When the role of its owner is lowered, the token has less.
    let (auditor, _) = {
        let (status, made) =
            api.by(&thu, Method::POST, "/me/tokens", Some(json!({"name": "auditor", "scopes": ["audit.read"]}))).await;
        assert_eq!(status, 201);
        (made["secret"].as_str().unwrap().to_owned(), ())
    };
    assert_eq!(api.token(&auditor, Method::GET, "/audit", None).await.0, 200);
    api.admin(Method::PATCH, "/users/thu", Some(json!({"role": "viewer"}))).await;
    assert_eq!(api.token(&auditor, Method::GET, "/audit", None).await.0, 403);
    api.admin(Method::PATCH, "/users/thu", Some(json!({"disabled": true}))).await;
    assert_eq!(api.token(&secret, Method::GET, "/channels", None).await.0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_forged_cut_or_over_are_refused() {
    let api = Api::start(|_, _| {}).await;
    api.person("thu", "engineer").await;
    let (good, _) = make_token(&api, "thu", &["read"]).await;
    let over = "ow_pat_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let now = Time::from_unix_micros(i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_micros()).unwrap());
    let new = NewToken {
        name: "over".into(),
        user: "thu".into(),
        hash: Sha256::digest(over).into(),
        hint: "ow_pat_AAAA".into(),
        scopes: [Permission::Read].into_iter().collect(),
        label_scope: None,
        expires_at: Some(now - Span::from_secs(1)),
    };
    let by = ChangedBy { actor: "test".into(), source: "test".into() };
    api.store.create_token(&new, now - Span::from_secs(60), &by).await.unwrap();
    let flipped = if good.ends_with('A') { "B" } else { "A" };
    for token in [
        over,
        &good[..good.len() - 1],
        &format!("{}{flipped}", &good[..good.len() - 1]),
        &format!("{good}A"),
        &good.replace("ow_pat_", ""),
        &good.replace("ow_pat_", "OW_PAT_"),
        "ow_pat_",
        "",
        "' OR 1=1 --",
        &"x".repeat(5000),
    ] {
        let (status, body) = api.token(token, Method::GET, "/channels", None).await;
        assert_eq!((status, &body["code"]), (401, &json!("unauthorized")), "{token:.60}");
    }
    for scheme in ["Basic", "Token", "ow_pat"] {
        let (status, _) =
            api.with(Method::GET, "/channels", &[("authorization", &format!("{scheme} {good}"))], None).await;
        assert_eq!(status, 401, "{scheme}");
    }
    assert_eq!(api.token(&good, Method::GET, "/channels", None).await.0, 200);
    assert_eq!(api.with(Method::POST, "/session", &[], Some(json!({"name": "thu"}))).await.0, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_tells_nothing_and_takes_longer_and_longer() {
    let api = Api::start(|config, _| config.trusted_proxies = vec!["127.0.0.1".into()]).await;
    api.person("thu", "viewer").await;
    let guess = async |name: &str, password: &str, address: &str| {
        let body = json!({"name": name, "password": password});
        let response = api.send(Method::POST, "/session", &[("x-forwarded-for", address)], Some(body)).await;
        let retry = response.headers().get("retry-after").map(|v| v.to_str().unwrap().parse::<u64>().unwrap());
        let status = response.status().as_u16();
        let mut body: Value = response.json().await.unwrap();
        for name in ["request_id", "trace_id"] {
            body.as_object_mut().unwrap().remove(name);
        }
        (status, retry, body)
    };
    let known = guess("thu", "wrong wrong wrong", "192.0.2.1").await;
    let unknown = guess("nobody", "wrong wrong wrong", "192.0.2.1").await;
    assert_eq!((known.0, &known), (401, &unknown), "the same for an account that is not there");
    assert_eq!(guess("a\0b", "wrong", "192.0.2.1").await.0, 401);
    for name in ["nobody", "thu"] {
        // On a slow machine a wait may be over before the next guess; the later ones are longer.
        let mut n_tried = 1_u32;
        loop {
            let (status, retry, _) = guess(name, "wrong", &format!("192.0.2.{n_tried}")).await;
            if status == 429 && retry.is_some_and(|seconds| seconds >= 2) {
                break;
            }
            assert!(status == 401 || status == 429, "{name}: {status}");
            n_tried += u32::from(status == 401);
            assert!(n_tried < 12, "{name}");
        }
        assert!(n_tried >= 5, "{name}: {n_tried}");
    }
    let blocked = guess("thu", PASSWORD, "192.0.2.98").await;
    assert_eq!(blocked.0, 429, "also the right one has to wait");
    // From one address through many accounts.
    let mut n_tried = 0;
    while guess(&format!("user-{n_tried}"), "wrong", "198.51.100.7").await.0 == 401 {
        n_tried += 1;
        assert!(n_tried < 40);
    }
    assert!((20..=30).contains(&n_tried), "{n_tried}");
    assert_eq!(guess("other", "wrong", "198.51.100.8").await.0, 401, "others are not held up");
    let refused = api.admin(Method::GET, "/audit?action=sign-in-refused&limit=500", None).await.1;
    let names: std::collections::BTreeSet<_> =
        refused["items"].as_array().unwrap().iter().map(|l| l["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["(unknown)", "thu"], "a name that is none may be a password");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_an_answer_the_log_or_the_database() {
    let log = log();
    let api = Api::start(|_, _| {}).await;
    api.person("root", "admin").await;
    let root = api.browser("root").await;
    let (token, _) = make_token(&api, "root", &["read", "users.manage"]).await;
    let (_, made) = api.admin(Method::POST, "/users", Some(json!({"name": "new", "role": "viewer"}))).await;
    let code = made["invitation"]["code"].as_str().unwrap().to_owned();
    api.sign_in("root", "gehefehler-password").await;
    let change = json!({"current": PASSWORD, "new": "gehezweites password"});
    assert_eq!(api.by(&root, Method::POST, "/me:change-password", Some(change)).await.0, 204);
    let mut answers = String::new();
    for path in
        ["/session", "/me", "/me/sessions", "/me/tokens", "/users", "/users/root", "/tokens", "/audit?limit=500"]
    {
        let (status, body) = api.by(&root, Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}");
        answers.push_str(&body.to_string());
    }
    assert_eq!(api.token(&token, Method::GET, "/users", None).await.0, 200);
    let session = root.cookie.split_once('=').unwrap().1.to_owned();
    let dump = dump();
    assert!(dump.contains("access_session") && dump.contains("$argon2id$"), "the dump is one");
    let log = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    assert!(log.contains("REST interface listens"), "the log is one");
    for secret in [
        PASSWORD,
        "gehefehler-password",
        "gehezweites password",
        session.as_str(),
        token.as_str(),
        code.as_str(),
        "Bearer test",
    ] {
        for (place, text) in [("an answer", &answers), ("the database", &dump), ("the log", &log)] {
            assert!(!text.contains(secret), "{secret:.8}... is in {place}");
        }
    }
    assert!(!dump.contains(&root.csrf) && !log.contains(&root.csrf));
    assert!(!answers.contains("argon2"));
}
