//! People, sessions, tokens, wrong guesses and the audit trail against a real server, in time that the test makes.

mod server;

use std::collections::BTreeMap;

use ow_domain::access::{LabelScope, Permission, Permissions, Role};
use ow_domain::config::ChangedBy;
use ow_domain::{Span, Time};
use ow_store::Store;
use ow_store::access::{
    AccessError, Identity, NewSession, NewToken, NewUser, SecretHash, ThrottleKey, ThrottlePolicy, TokenFilter, User,
    UserChange, UserFilter,
};
use ow_store::audit::AuditFilter;
use server::Server;
use uuid::Uuid;

const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$geheimgeheim$geheimgeheim";

fn now() -> Time {
    Time::parse_rfc3339("2026-11-22T09:00:00Z").unwrap()
}

fn at(seconds: i64) -> Time {
    now() + Span::from_secs(seconds)
}

fn by() -> ChangedBy {
    ChangedBy { actor: "user:root".into(), source: "api".into() }
}

async fn user(store: &Store, name: &str, role: Role) -> User {
    let new = NewUser {
        name: name.into(),
        display_name: name.to_uppercase(),
        email: String::new(),
        role,
        label_scope: None,
        password: Some(HASH.into()),
    };
    store.create_user(&new, now(), &by()).await.unwrap()
}

fn session(user: &User, secret: u8) -> NewSession {
    NewSession {
        id: Uuid::from_u128(u128::from(secret)),
        hash: [secret; 32],
        user_id: user.id,
        method: "password",
        address: "192.0.2.1".into(),
        agent: "test".into(),
        idle: Span::from_secs(1800),
        lifetime: Span::from_secs(36_000),
    }
}

fn token(user: &str, name: &str, secret: u8, expires_at: Option<Time>) -> NewToken {
    NewToken {
        name: name.into(),
        user: user.into(),
        hash: [secret; 32],
        hint: "ow_pat_ab12".into(),
        scopes: [Permission::Read, Permission::ConfigWrite].into_iter().collect::<Permissions>(),
        label_scope: Some("group=sport".parse().unwrap()),
        expires_at,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_made_changed_and_taken_away_with_an_audit_trail() {
    let server = Server::start();
    let store = server.migrated().await;
    let root = user(&store, "root", Role::Admin).await;
    let thu = user(&store, "thu", Role::Viewer).await;
    assert!(thu.has_password && thu.revision == 1 && thu.last_login_at.is_none());
    let again = store
        .create_user(
            &NewUser {
                name: "thu".into(),
                display_name: String::new(),
                email: String::new(),
                role: Role::Admin,
                label_scope: None,
                password: None,
            },
            now(),
            &by(),
        )
        .await;
    assert!(matches!(again, Err(AccessError::Exists { .. })), "{again:?}");

    let scope: LabelScope = "group=sport|news".parse().unwrap();
    let change =
        UserChange { role: Some(Role::Operator), label_scope: Some(Some(scope.clone())), ..UserChange::default() };
    let changed = store.update_user("thu", &change, Some(1), at(5), &by()).await.unwrap();
    assert_eq!((changed.role, changed.revision, changed.changed_at), (Role::Operator, 2, at(5)));
    assert_eq!(changed.label_scope, Some(scope));
    let higher = UserChange { role: Some(Role::Admin), ..change.clone() };
    let stale = store.update_user("thu", &higher, Some(1), at(6), &by()).await;
    assert!(matches!(stale, Err(AccessError::Stale { current: 2, .. })));
    let same = store.update_user("thu", &change, None, at(7), &by()).await.unwrap();
    assert_eq!(same.revision, 2, "nothing changes, nothing is written");
    assert!(matches!(store.delete_user("nobody", None, &by()).await, Err(AccessError::NotFound { .. })));

    let listed = store.users(&UserFilter { limit: 10, ..UserFilter::default() }).await.unwrap();
    assert_eq!(listed.iter().map(|u| &u.name[..]).collect::<Vec<_>>(), ["root", "thu"]);
    let filter =
        UserFilter { limit: 10, search: Some("TH".into()), after: Some("root".into()), ..UserFilter::default() };
    assert_eq!(store.users(&filter).await.unwrap().len(), 1);

    store.delete_user("thu", Some(2), &by()).await.unwrap();
    assert!(store.user("thu").await.unwrap().is_none());
    assert_eq!(store.user("root").await.unwrap().unwrap(), root);

    let trail =
        store.audit(&AuditFilter { kind: Some("User".into()), limit: 50, ..AuditFilter::default() }).await.unwrap();
    let seen: Vec<_> = trail.iter().rev().map(|r| (&r.action[..], &r.name[..])).collect();
    assert_eq!(seen, [("create", "root"), ("create", "thu"), ("update", "thu"), ("delete", "thu")]);
    assert_eq!(trail[1].before.as_ref().unwrap()["role"], "viewer");
    assert_eq!(trail[1].after.as_ref().unwrap()["role"], "operator");
    assert!(!format!("{trail:?}").contains("geheim"), "no hash in the trail");
    let newest = store
        .audit(&AuditFilter {
            name: Some("thu".into()),
            action: Some("delete".into()),
            limit: 1,
            ..AuditFilter::default()
        })
        .await
        .unwrap();
    assert_eq!(newest[0].actor, "user:root");
    let older = AuditFilter { before_id: Some(newest[0].id), limit: 500, ..AuditFilter::default() };
    assert_eq!(store.audit(&older).await.unwrap().len(), trail.len() - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_administrator_stays_whoever_tries_at_once() {
    let server = Server::start();
    let store = server.migrated().await;
    user(&store, "a", Role::Admin).await;
    let invited = NewUser {
        name: "pending".into(),
        display_name: String::new(),
        email: String::new(),
        role: Role::Admin,
        label_scope: None,
        password: None,
    };
    store.create_user(&invited, now(), &by()).await.unwrap();
    assert_eq!(store.n_admins().await.unwrap(), 1, "who cannot sign in is none");
    for change in [
        UserChange { role: Some(Role::Engineer), ..UserChange::default() },
        UserChange { disabled: Some(true), ..UserChange::default() },
    ] {
        let refused = store.update_user("a", &change, None, now(), &by()).await;
        assert!(matches!(refused, Err(AccessError::LastAdmin { .. })), "{refused:?}");
    }
    assert!(matches!(store.delete_user("a", None, &by()).await, Err(AccessError::LastAdmin { .. })));

    user(&store, "b", Role::Admin).await;
    let both: Vec<_> = ["a", "b"]
        .map(|name| {
            let store = store.clone();
            tokio::spawn(async move { store.delete_user(name, None, &by()).await.is_ok() })
        })
        .into();
    let mut n_deleted = 0;
    for run in both {
        n_deleted += usize::from(run.await.unwrap());
    }
    assert_eq!((n_deleted, store.n_admins().await.unwrap()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_by_idleness_age_password_and_owner() {
    let server = Server::start();
    let store = server.migrated().await;
    user(&store, "root", Role::Admin).await;
    let thu = user(&store, "thu", Role::Operator).await;
    let eve = user(&store, "eve", Role::Operator).await;
    let idle = Span::from_secs(1800);
    let find = async |secret: u8, seconds: i64| store.find_session(&[secret; 32], idle, at(seconds)).await.unwrap();

    let first = store.begin_session(&session(&thu, 1), now(), &by()).await.unwrap();
    assert_eq!((first.idle_until, first.expires_at), (at(1800), at(36_000)));
    assert_eq!(store.user("thu").await.unwrap().unwrap().last_login_at, Some(now()));
    assert_eq!(find(1, 1).await.unwrap().user.name, "thu");
    assert_eq!(find(1, 59).await.unwrap().session.seen_at, now(), "written sparsely");
    assert_eq!(find(1, 1799).await.unwrap().session.idle_until, at(1799 + 1800));
    assert!(find(1, 1799 + 1800).await.is_none(), "idle for too long");
    assert!(find(9, 1).await.is_none());

    store.begin_session(&session(&thu, 2), at(0), &by()).await.unwrap();
    for seconds in (0..36_000).step_by(1700) {
        assert!(find(2, seconds).await.is_some(), "{seconds}");
    }
    assert!(find(2, 36_000).await.is_none(), "too old, however busy");

    // Somebody else's session does not exist.
    let own = store.begin_session(&session(&thu, 3), now(), &by()).await.unwrap();
    let refused = store.end_session("eve", own.id, &by()).await;
    assert!(matches!(refused, Err(AccessError::NotFound { .. })));
    store.end_session("thu", own.id, &by()).await.unwrap();
    assert!(find(3, 1).await.is_none(), "replayed after the sign-out");

    // A new password ends all but the one it was set in.
    let kept = store.begin_session(&session(&thu, 4), now(), &by()).await.unwrap();
    store.begin_session(&session(&thu, 5), now(), &by()).await.unwrap();
    store.begin_session(&session(&eve, 6), now(), &by()).await.unwrap();
    store.set_password("thu", "$argon2id$other", Some(kept.id), now(), &by()).await.unwrap();
    assert!(find(4, 1).await.is_some() && find(5, 1).await.is_none() && find(6, 1).await.is_some());

    let disable = UserChange { disabled: Some(true), ..UserChange::default() };
    store.update_user("thu", &disable, None, now(), &by()).await.unwrap();
    assert!(find(4, 1).await.is_none());

    for secret in 100..160 {
        store.begin_session(&session(&eve, secret), at(i64::from(secret)), &by()).await.unwrap();
    }
    assert_eq!(store.sessions_of("eve", at(200)).await.unwrap().len(), 50);
    assert!(find(6, 200).await.is_none() && find(159, 200).await.is_some());
    store.sweep_access(at(100_000), Span::from_secs(86_400)).await.unwrap();
    assert!(store.sessions_of("eve", at(200)).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_found_until_they_end() {
    let server = Server::start();
    let store = server.migrated().await;
    user(&store, "root", Role::Admin).await;
    user(&store, "thu", Role::Engineer).await;
    let made = store.create_token(&token("thu", "ci", 1, Some(at(3600))), now(), &by()).await.unwrap();
    assert!(matches!(
        store.create_token(&token("thu", "ci", 2, None), now(), &by()).await,
        Err(AccessError::Exists { .. })
    ));
    assert!(matches!(
        store.create_token(&token("nobody", "ci", 2, None), now(), &by()).await,
        Err(AccessError::NotFound { .. })
    ));
    let find =
        async |secret: u8, seconds: i64| store.find_token(&[secret; 32], "192.0.2.9", at(seconds)).await.unwrap();
    let found = find(1, 0).await.unwrap();
    assert_eq!((found.token.id, &found.user.name[..]), (made.id, "thu"));
    assert!(
        found.token.scopes.contains(Permission::ConfigWrite) && !found.token.scopes.contains(Permission::AuditRead)
    );
    find(1, 30).await.unwrap();
    assert_eq!(store.token(made.id, None).await.unwrap().unwrap().last_used_at, Some(at(0)), "written sparsely");
    find(1, 61).await.unwrap();
    let listed = store.tokens(&TokenFilter { limit: 10, ..TokenFilter::default() }).await.unwrap();
    assert_eq!((listed[0].last_used_at, listed[0].last_used_from.as_deref()), (Some(at(61)), Some("192.0.2.9")));
    assert!(find(1, 3600).await.is_none(), "expired");
    assert!(find(3, 0).await.is_none());

    assert!(store.token(made.id, Some("root")).await.unwrap().is_none(), "of somebody else");
    assert!(matches!(store.delete_token(made.id, Some("root"), None, &by()).await, Err(AccessError::NotFound { .. })));
    let longer =
        store.update_token(made.id, Some("thu"), (Some("robot"), Some(None)), Some(1), at(9), &by()).await.unwrap();
    assert_eq!((&longer.name[..], longer.expires_at, longer.revision), ("robot", None, 2));
    assert!(find(1, 999_999).await.is_some());
    let disable = |disabled| UserChange { disabled: Some(disabled), ..UserChange::default() };
    store.update_user("thu", &disable(true), None, now(), &by()).await.unwrap();
    assert!(find(1, 5).await.is_none(), "its owner is locked out");
    store.update_user("thu", &disable(false), None, now(), &by()).await.unwrap();
    assert!(matches!(store.delete_token(made.id, None, Some(1), &by()).await, Err(AccessError::Stale { .. })));
    store.delete_token(made.id, None, Some(2), &by()).await.unwrap();
    assert!(find(1, 5).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn invitations_and_sign_ins_elsewhere_are_good_once() {
    let server = Server::start();
    let store = server.migrated().await;
    let thu = user(&store, "thu", Role::Admin).await;
    store.invite(&thu, &[1; 32], now(), at(60), &by()).await.unwrap();
    store.invite(&thu, &[2; 32], now(), at(60), &by()).await.unwrap();
    let accept = async |secret: u8, seconds| {
        store.accept_invitation(&[secret; 32], "$argon2id$new", at(seconds), &by()).await.unwrap()
    };
    assert!(store.invited(&[1; 32], now()).await.unwrap().is_none(), "a later one takes its place");
    assert!(accept(2, 60).await.is_none(), "too late");
    assert_eq!(store.invited(&[2; 32], at(1)).await.unwrap().unwrap().user.name, "thu");
    assert_eq!(accept(2, 1).await.unwrap().name, "thu");
    assert!(accept(2, 2).await.is_none(), "used");
    assert_eq!(store.password_of("thu").await.unwrap().unwrap().password.as_deref(), Some("$argon2id$new"));

    let begin = async |state: u8| store.begin_oidc(&[state; 32], &[7; 32], "/wall", at(600)).await.unwrap();
    let finish = async |state: u8, browser: u8, seconds| {
        let hash = |n: u8| -> SecretHash { [n; 32] };
        store.finish_oidc(&hash(state), &hash(browser), at(seconds)).await.unwrap()
    };
    begin(1).await;
    assert_eq!(finish(1, 7, 5).await.as_deref(), Some("/wall"));
    assert_eq!(finish(1, 7, 6).await, None, "replayed");
    begin(2).await;
    assert_eq!(finish(2, 8, 5).await, None, "another browser");
    assert_eq!(finish(2, 7, 5).await, None, "and then it is used up");
    begin(3).await;
    assert_eq!(finish(3, 7, 600).await, None, "too late");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_keeps_its_user_and_takes_no_other() {
    let server = Server::start();
    let store = server.migrated().await;
    user(&store, "thu", Role::Viewer).await;
    user(&store, "root", Role::Admin).await;
    let identity = |subject: &str, name: &str, role| Identity {
        issuer: "https://id.example".into(),
        subject: subject.into(),
        name: name.into(),
        display_name: "Thu".into(),
        email: "thu@example.net".into(),
        role,
        label_scope: None,
    };
    let taken = store.sign_in_identity(&identity("1", "thu", Role::Admin), now(), &by()).await;
    assert!(matches!(taken, Err(AccessError::Exists { .. })), "{taken:?}");
    let made = store.sign_in_identity(&identity("1", "thu@example.net", Role::Engineer), now(), &by()).await.unwrap();
    let again = store.sign_in_identity(&identity("1", "renamed", Role::Viewer), at(5), &by()).await.unwrap();
    assert_eq!((again.id, &again.name[..], again.role), (made.id, "thu@example.net", Role::Viewer));
    let other = store.sign_in_identity(&identity("2", "thu@example.net", Role::Admin), now(), &by()).await;
    assert!(matches!(other, Err(AccessError::Exists { .. })), "{other:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_guesses_wait_longer_and_longer_also_after_a_restart_and_in_parallel() {
    let mut server = Server::durable();
    let store = server.migrated().await;
    let policy = ThrottlePolicy::default();
    let keys = |name: &str, address: &str| {
        [ThrottleKey::account(name, &policy), ThrottleKey::address(address.parse().unwrap(), &policy)]
    };
    let attempt = async |name: &str, address: &str, seconds: i64| {
        store
            .count_attempt(&keys(name, address), &policy, at(seconds))
            .await
            .unwrap()
            .map_err(|b| b.until.since(now()).micros() / 1_000_000)
    };
    for _ in 0..5 {
        assert_eq!(attempt("thu", "192.0.2.1", 0).await, Ok(()));
    }
    assert_eq!(attempt("thu", "192.0.2.2", 0).await, Err(1), "per account, from wherever");
    assert_eq!(attempt("eve", "192.0.2.1", 0).await, Ok(()), "others are not held up");
    assert_eq!(attempt("thu", "192.0.2.1", 1).await, Ok(()));
    assert_eq!(attempt("thu", "192.0.2.1", 2).await, Err(3));
    server.postgres.kill();
    server.postgres.restart().unwrap();
    server::until("the server is back", async || store.ping().await.ok()).await;
    let blocked = store.count_attempt(&keys("thu", "192.0.2.1"), &policy, at(2)).await.unwrap();
    assert!(blocked.is_err(), "a restart forgets nothing");
    // Right at last: the account starts anew.
    store.forgive_attempt(&keys("thu", "192.0.2.1")).await.unwrap();
    for _ in 0..5 {
        assert_eq!(attempt("thu", "192.0.2.1", 3).await, Ok(()));
    }
    assert!(attempt("thu", "192.0.2.1", 3).await.is_err());
    assert_eq!(attempt("thu", "192.0.2.1", 3 + 90_000).await, Ok(()), "a day later");

    // One address that goes through many accounts.
    let mut n_let_through = 0;
    for n in 0..60 {
        n_let_through += usize::from(attempt(&format!("guess-{n}"), "198.51.100.1", 10).await.is_ok());
    }
    assert_eq!(n_let_through, 20);

    // Sent at once, no more get through than one by one.
    let runs: Vec<_> = (0..32)
        .map(|_| {
            let (store, keys, policy) = (store.clone(), keys("parallel", "203.0.113.9"), policy.clone());
            tokio::spawn(async move { store.count_attempt(&keys, &policy, at(20)).await.unwrap().is_ok() })
        })
        .collect();
    let mut n_let_through = 0;
    for run in runs {
        n_let_through += usize::from(run.await.unwrap());
    }
    assert_eq!(n_let_through, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_and_the_domain_agree_on_scopes() {
    let server = Server::start();
    let store = server.migrated().await;
    let channels =
        ["{}", r#"{"group":"sport"}"#, r#"{"group":"news","site":"han"}"#, r#"{"group":"sport","site":"hcm"}"#];
    for scope in ["group=sport", "group=news|sport", "site=hcm", "group=news,site=han|hcm", "other=x"] {
        let scope: LabelScope = scope.parse().unwrap();
        for channel in channels {
            let labels: BTreeMap<String, String> = serde_json::from_str(channel).unwrap();
            let inside = store.is_in_scope(&labels, Some(&scope)).await.unwrap();
            assert_eq!(inside, scope.admits(&labels), "{scope} on {channel}");
        }
        assert!(store.is_in_scope(&BTreeMap::new(), None).await.unwrap());
    }
    let nothing = "group=a".parse::<LabelScope>().unwrap().intersect(&"group=b".parse().unwrap());
    let labels = BTreeMap::from([("group".to_owned(), "a".to_owned())]);
    assert!(!store.is_in_scope(&labels, Some(&nothing)).await.unwrap());
}
