//! What people, administrators and programs do as they should.

use reqwest::Method;
use serde_json::json;

use crate::server::{Api, PASSWORD, browser_of, cookie_of};

#[tokio::test(flavor = "multi_thread")]
async fn somebody_signs_in_works_and_signs_out() {
    let api = Api::start(|_, _| {}).await;
    api.person("thu", "operator").await;
    let response = api.sign_in("Thu ", PASSWORD).await;
    let cookie = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    for part in ["ottwatch_session=", "HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=604800"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure") && !cookie.contains("Domain"), "{cookie}");
    let thu = browser_of(response).await;
    let (status, body) = api.with(Method::GET, "/session", &[("cookie", &thu.cookie)], None).await;
    assert_eq!((status, &body["actor"], &body["role"]), (200, &json!("user:thu"), &json!("operator")));
    assert_eq!(body["csrf_token"], thu.csrf, "the same for the whole session");
    assert!(body["permissions"].as_array().unwrap().contains(&json!("alarms.operate")));

    let (status, body) = api.by(&thu, Method::GET, "/me/sessions", None).await;
    assert_eq!((status, &body["items"][0]["current"], body["items"].as_array().unwrap().len()), (200, &json!(true), 1));

    // A second session is ended from the first.
    let other = api.browser("thu").await;
    let (_, body) = api.by(&thu, Method::GET, "/me/sessions", None).await;
    let id = body["items"].as_array().unwrap().iter().find(|s| s["current"] == false).unwrap()["id"].clone();
    let path = format!("/me/sessions/{}", id.as_str().unwrap());
    assert_eq!(api.by(&thu, Method::DELETE, &path, None).await.0, 204);
    assert_eq!(api.by(&other, Method::GET, "/me", None).await.0, 401);

    let headers = [("cookie", thu.cookie.as_str()), ("x-csrf-token", thu.csrf.as_str())];
    let response = api.send(Method::DELETE, "/session", &headers, None).await;
    assert_eq!(response.status(), 204);
    assert_eq!(cookie_of(&response, "ottwatch_session=").as_deref(), Some("ottwatch_session="));
    assert_eq!(api.by(&thu, Method::GET, "/me", None).await.0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_tls_the_cookie_is_bound_to_the_host() {
    let api = Api::start(|config, _| config.public_url = "https://ottwatch.example.net/".into()).await;
    api.person("thu", "viewer").await;
    let response = api.sign_in("thu", PASSWORD).await;
    let cookie = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("__Host-ottwatch_session=") && cookie.ends_with("; Secure"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    assert_eq!(api.with(Method::GET, "/me", &[("cookie", pair)], None).await.0, 200);
    let weak = pair.replace("__Host-", "");
    assert_eq!(api.with(Method::GET, "/me", &[("cookie", &weak)], None).await.0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_the_other_sessions() {
    let api = Api::start(|_, _| {}).await;
    api.person("thu", "viewer").await;
    let (here, there) = (api.browser("thu").await, api.browser("thu").await);
    let path = "/me:change-password";
    for (body, pointer) in [
        (json!({"current": "wrong", "new": "another good password"}), "/current"),
        (json!({"current": PASSWORD, "new": "short"}), "/new"),
    ] {
        let (status, body) = api.by(&here, Method::POST, path, Some(body)).await;
        assert_eq!((status, &body["errors"][0]["pointer"]), (422, &json!(pointer)), "{body}");
    }
    let body = json!({"current": PASSWORD, "new": "another good password"});
    assert_eq!(api.by(&here, Method::POST, path, Some(body)).await.0, 204);
    assert_eq!(api.by(&here, Method::GET, "/me", None).await.0, 200);
    assert_eq!(api.by(&there, Method::GET, "/me", None).await.0, 401);
    assert_eq!(api.sign_in("thu", PASSWORD).await.status(), 401);
    assert_eq!(api.sign_in("thu", "another good password").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_administrator_comes_by_invitation() {
    let api = Api::start(|config, base| config.public_url = base.into()).await;
    let (status, made) = api.admin(Method::POST, "/users", Some(json!({"name": "root", "role": "admin"}))).await;
    assert_eq!((status, &made["user"]["has_password"]), (201, &json!(false)), "{made}");
    let code = made["invitation"]["code"].as_str().unwrap();
    assert_eq!(made["invitation"]["url"], format!("{}/accept#{code}", api.base));
    let accept = async |code: &str, password: &str| {
        let body = json!({"code": code, "password": password});
        api.send(Method::POST, "/session:accept", &[], Some(body)).await
    };
    assert_eq!(accept("guess", "a good long password").await.status(), 401);
    assert_eq!(accept(code, "rootrootroot").await.status(), 422, "and the code is still good");
    let root = browser_of(accept(code, "a good long password").await).await;
    assert_eq!(api.by(&root, Method::GET, "/users", None).await.0, 200);
    assert_eq!(accept(code, "a good long password").await.status(), 401, "used");

    // It cannot be locked out, whoever tries.
    for (method, body) in [
        (Method::PATCH, Some(json!({"role": "viewer"}))),
        (Method::PATCH, Some(json!({"disabled": true}))),
        (Method::DELETE, None),
    ] {
        let headers = [("authorization", "Bearer test"), ("if-match", "*")];
        let (status, body) = api.with(method, "/users/root", &headers, body).await;
        assert_eq!((status, &body["code"]), (409, &json!("last-admin")), "{body}");
    }
    // A forgotten password: another invitation ends the sessions when it is used.
    let (status, again) = api.admin(Method::POST, "/users/root/invitation", None).await;
    assert_eq!(status, 201);
    assert_eq!(accept(again["code"].as_str().unwrap(), "yet another password").await.status(), 200);
    assert_eq!(api.by(&root, Method::GET, "/me", None).await.0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_managed_with_preconditions_and_an_audit_trail() {
    let api = Api::start(|_, _| {}).await;
    api.person("root", "admin").await;
    api.person("thu", "viewer").await;
    let (_, users) = api.admin(Method::GET, "/users?limit=1", None).await;
    assert_eq!(users["items"][0]["name"], "root");
    let next = format!("/users?limit=1&cursor={}", users["next_cursor"].as_str().unwrap());
    let (_, users) = api.admin(Method::GET, &next, None).await;
    assert_eq!((&users["items"][0]["name"], &users["next_cursor"]), (&json!("thu"), &json!(null)));
    assert_eq!(api.admin(Method::POST, "/users", Some(json!({"name": "thu", "role": "admin"}))).await.0, 409);
    let bad = json!({"name": "Thu Nguyen", "role": "viewer", "email": "x", "password": "short"});
    let (status, body) = api.admin(Method::POST, "/users", Some(bad)).await;
    assert_eq!((status, body["errors"].as_array().unwrap().len()), (422, 3), "{body}");
    assert!(!body.to_string().contains("short\""), "the password is not repeated");

    let response = api.send(Method::GET, "/users/thu", &[("authorization", "Bearer test")], None).await;
    assert_eq!(response.headers()["etag"], "\"1\"");
    let patch = json!({"role": "engineer", "label_scope": {"group": ["sport"]}});
    let with = |tag| [("authorization", "Bearer test"), ("if-match", tag)];
    let (status, body) = api.with(Method::PATCH, "/users/thu", &with("\"1\""), Some(patch.clone())).await;
    assert_eq!((status, &body["revision"], &body["label_scope"]["group"][0]), (200, &json!(2), &json!("sport")));
    assert_eq!(api.with(Method::PATCH, "/users/thu", &with("\"1\""), Some(patch)).await.0, 412);
    assert_eq!(api.admin(Method::DELETE, "/users/thu", None).await.0, 428);

    // With a scope one does not manage people, nor read the trail, which tells of all channels.
    let thu = api.browser("thu").await;
    let (status, body) = api.by(&thu, Method::GET, "/audit", None).await;
    assert_eq!((status, &body["code"]), (403, &json!("scoped")));
    assert_eq!(api.by(&thu, Method::GET, "/users", None).await.0, 403);
    let (status, body) = api.admin(Method::PATCH, "/users/thu", Some(json!({"label_scope": null}))).await;
    assert_eq!((status, &body["label_scope"]), (200, &json!(null)));
    let (status, trail) = api.by(&thu, Method::GET, "/audit?kind=User&name=thu", None).await;
    assert_eq!(status, 200, "{trail}");
    let actions: Vec<_> = trail["items"].as_array().unwrap().iter().map(|l| l["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["update", "update", "create"]);
    assert_eq!(trail["items"][1]["before"]["role"], "viewer");
    assert_eq!(trail["items"][1]["after"]["role"], "engineer");
    assert_eq!(trail["items"][0]["actor"], "installation");
    assert_eq!(api.by(&thu, Method::GET, "/audit?since=yesterday", None).await.0, 400);
    let (_, roles) = api.by(&thu, Method::GET, "/roles", None).await;
    assert_eq!(roles["items"].as_array().unwrap().len(), 4);

    // Who is locked out is out at once.
    assert_eq!(api.with(Method::PATCH, "/users/thu", &with("*"), Some(json!({"disabled": true}))).await.0, 200);
    assert_eq!(api.by(&thu, Method::GET, "/me", None).await.0, 401);
    assert_eq!(api.sign_in("thu", PASSWORD).await.status(), 401);
    assert_eq!(api.with(Method::DELETE, "/users/thu", &with("*"), None).await.0, 204);
    assert_eq!(api.admin(Method::GET, "/users/thu", None).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_use_tokens() {
    let api = Api::start(|_, _| {}).await;
    api.person("thu", "engineer").await;
    let thu = api.browser("thu").await;
    let body = json!({"name": "ci", "scopes": ["read", "audit.read"], "expires_at": "2999-01-01T00:00:00Z"});
    let (status, made) = api.by(&thu, Method::POST, "/me/tokens", Some(body)).await;
    assert_eq!(status, 201, "{made}");
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("ow_pat_") && secret.len() == 50, "{secret}");
    assert!(secret.starts_with(made["token"]["hint"].as_str().unwrap()));
    let (status, body) = api.token(secret, Method::GET, "/session", None).await;
    assert_eq!((status, &body["actor"], &body["via"]), (200, &json!("token:thu/ci"), &json!("token")));
    assert_eq!(body["csrf_token"], json!(null));
    assert_eq!(api.token(secret, Method::GET, "/audit", None).await.0, 200);
    let (_, listed) = api.by(&thu, Method::GET, "/me/tokens", None).await;
    assert_eq!(listed["items"][0]["last_used_from"], "127.0.0.1");
    assert!(!listed.to_string().contains(secret), "shown once");

    let id = made["token"]["id"].as_i64().unwrap();
    let (status, body) = api.admin(Method::PATCH, &format!("/tokens/{id}"), Some(json!({"name": "robot"}))).await;
    assert_eq!(
        (status, &body["name"], &body["expires_at"]),
        (200, &json!("robot"), &json!("2999-01-01T00:00:00.000000Z"))
    );
    let (status, body) = api.admin(Method::PATCH, &format!("/tokens/{id}"), Some(json!({"expires_at": null}))).await;
    assert_eq!((status, &body["expires_at"]), (200, &json!(null)));
    assert_eq!(api.by(&thu, Method::DELETE, &format!("/me/tokens/{id}"), None).await.0, 204);
    assert_eq!(api.token(secret, Method::GET, "/me", None).await.0, 401);

    let body = json!({"user": "thu", "name": "grafana", "scopes": ["read"]});
    let (status, made) = api.admin(Method::POST, "/tokens", Some(body)).await;
    assert_eq!((status, &made["token"]["user"]), (201, &json!("thu")));
    assert_eq!(api.token(made["secret"].as_str().unwrap(), Method::GET, "/channels", None).await.0, 200);
}
