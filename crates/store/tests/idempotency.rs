//! Keys of changes against a real server.

mod server;

use ow_domain::{Span, Time};
use ow_store::idempotency::{Begun, StoredAnswer};
use server::Server;

const PATIENCE: Span = Span::from_micros(60_000_000);

fn at(seconds: i64) -> Time {
    Time::from_unix_micros(1_700_000_000_000_000 + seconds * 1_000_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stands_for_one_request_of_one_person() {
    let server = Server::start();
    let store = server.migrated().await;
    let begin = |actor: &'static str, request: u8, seconds| {
        let store = store.clone();
        async move { store.begin_once(actor, "k", &[request; 32], at(seconds), PATIENCE).await.unwrap() }
    };
    assert_eq!(begin("a", 1, 0).await, Begun::New);
    assert_eq!(begin("a", 1, 1).await, Begun::Running);
    assert_eq!(begin("a", 2, 1).await, Begun::Other);
    assert_eq!(begin("b", 2, 1).await, Begun::New, "a key of somebody else");
    assert_eq!(begin("a", 1, 61).await, Begun::New, "whoever began is gone");
    assert_eq!(begin("a", 2, 200).await, Begun::Other, "another request never takes over");

    let answer = StoredAnswer { status: 201, headers: vec![("etag".into(), "\"1\"".into())], body: b"{}".into() };
    store.finish_once("a", "k", Some(&answer)).await.unwrap();
    assert_eq!(begin("a", 1, 4000).await, Begun::Answered(answer.clone()));
    assert_eq!(begin("a", 2, 4000).await, Begun::Other);
    // What failed frees its key, what is answered keeps it.
    store.finish_once("b", "k", None).await.unwrap();
    assert_eq!(begin("b", 3, 2).await, Begun::New);
    store.finish_once("a", "k", None).await.unwrap();
    assert_eq!(begin("a", 1, 4000).await, Begun::Answered(answer));

    assert_eq!(store.forget_answers(at(61)).await.unwrap(), 1);
    assert_eq!(begin("b", 9, 70).await, Begun::New);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_begins() {
    let server = Server::start();
    let store = server.migrated().await;
    let all = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.begin_once("a", "k", &[7; 32], at(0), PATIENCE).await.unwrap() })
    });
    let mut n_new = 0;
    for one in all.collect::<Vec<_>>() {
        n_new += usize::from(one.await.unwrap() == Begun::New);
    }
    assert_eq!(n_new, 1);
}
