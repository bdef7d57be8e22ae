//! The probe client against servers that fail in every way we tell apart.

mod support;

use std::sync::Arc;
use std::time::Duration;

use ow_domain::capture::{BodyEnd, Exchange, FailureKind, ObjectKind, Outcome, Phase, Response};
use ow_fetcher::http::{Collect, ResolveError, Reuse};
use support::{Names, Script, Server, get, probe, probe_with, read_head, reset};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

fn failure(exchange: &Exchange) -> (Phase, FailureKind) {
    match &exchange.outcome {
        Outcome::Failed(failure) => (failure.phase, failure.kind),
        Outcome::Response(response) => panic!("answered {response:?}"),
    }
}

fn response(exchange: &Exchange) -> &Response {
    match &exchange.outcome {
        Outcome::Response(response) => response,
        Outcome::Failed(failure) => panic!("failed {failure:?}"),
    }
}

async fn fetch(url: &str) -> (Exchange, Vec<u8>) {
    let mut body = Collect::default();
    let exchange = probe().fetch(&get(url, ObjectKind::Segment), &mut body).await;
    (exchange, body.0)
}

fn script<F>(each: impl Fn(usize, TcpStream) -> F + Send + Sync + 'static) -> Script
where
    F: Future<Output = ()> + Send + 'static,
{
    Arc::new(move |n, stream| Box::pin(each(n, stream)))
}

/// Writes `bytes` after the request, then keeps the connection open and silent.
fn then_silence(bytes: &'static [u8]) -> Script {
    script(move |_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(bytes).await.unwrap();
        std::future::pending::<()>().await;
    })
}

fn then_reset(bytes: &'static [u8]) -> Script {
    script(move |_, mut stream| async move {
        read_head(&mut stream).await;
        if !bytes.is_empty() {
            stream.write_all(bytes).await.unwrap();
            // The peer must have read the bytes: a reset drops what still waits.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        reset(stream);
    })
}

#[tokio::test]
async fn failures_before_the_status_line_are_told_apart() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let (exchange, _) = fetch(&format!("http://{closed}/a")).await;
    assert_eq!(failure(&exchange), (Phase::Connect, FailureKind::Refused));
    assert_eq!(exchange.failed_addresses.len(), 1);
    assert!(exchange.timings.connect_us.is_none() && exchange.t_end >= exchange.t_req);

    for (name, script, expected) in [
        (
            "closed",
            script(|_, mut s| async move {
                read_head(&mut s).await;
            }),
            FailureKind::Closed,
        ),
        ("reset", then_reset(b""), FailureKind::Reset),
        ("reset in the head", then_reset(b"HTTP/1.1 200"), FailureKind::Reset),
        ("silent", then_silence(b""), FailureKind::TimedOut),
        ("head trickles", then_silence(b"HTTP/1.1 200 OK\r\nA: b\r\n"), FailureKind::TimedOut),
        ("not http", then_silence(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), FailureKind::BadResponse),
    ] {
        let server = Server::start(script).await;
        let (exchange, body) = fetch(&server.url("/a")).await;
        assert_eq!(failure(&exchange), (Phase::Request, expected), "{name}");
        assert!(body.is_empty() && exchange.timings.connect_us.is_some(), "{name}");
        assert_eq!(server.connections(), 1, "{name}: a first use is never repeated unseen");
    }
    let many: String = (0..150).map(|n| format!("X-{n}: y\r\n")).collect();
    let server = Server::answering(format!("HTTP/1.1 200 OK\r\n{many}\r\n"), false).await;
    assert_eq!(failure(&fetch(&server.url("/a")).await.0), (Phase::Request, FailureKind::BadResponse));
}

#[tokio::test]
async fn urls_that_cannot_be_asked_are_refused() {
    for url in ["", "ftp://127.0.0.1/a", "http:///", "file:///etc/passwd", "not a url", "data:text/plain,x"] {
        assert_eq!(failure(&fetch(url).await.0), (Phase::Policy, FailureKind::BadUrl), "{url:?}");
    }
}

#[tokio::test]
async fn the_end_of_a_body_is_told_exactly() {
    for (name, script, end, bytes) in [
        ("complete", then_silence(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\0abcd"), BodyEnd::Complete, 5),
        ("short", script_close(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\0abcd"), BodyEnd::Short, 5),
        ("reset", then_reset(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\0abcd"), BodyEnd::Reset, 5),
        ("stall", then_silence(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\0abcd"), BodyEnd::TimedOut, 5),
        (
            "chunked without end",
            script_close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n\0abcd\r\n"),
            BodyEnd::Short,
            5,
        ),
        (
            "chunked",
            then_silence(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n\0abcd\r\n0\r\n\r\n"),
            BodyEnd::Complete,
            5,
        ),
        ("until close", script_close(b"HTTP/1.1 200 OK\r\n\r\n\0abcd"), BodyEnd::Complete, 5),
        (
            "unknown coding",
            then_silence(b"HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\nContent-Length: 5\r\n\r\n\0abcd"),
            BodyEnd::BadEncoding,
            5,
        ),
        ("error answer", then_silence(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope"), BodyEnd::NotRead, 4),
        ("not modified", then_silence(b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n"), BodyEnd::Complete, 0),
    ] {
        let server = Server::start(script).await;
        let (exchange, body) = fetch(&server.url("/a")).await;
        let response = response(&exchange);
        assert_eq!((response.body_end, response.body_bytes), (end, bytes), "{name}");
        let passed = response.status == 200 && end != BodyEnd::BadEncoding;
        assert_eq!(body.len(), if passed { 5 } else { 0 }, "{name}");
        assert_eq!(response.digest.is_some(), response.status == 200, "{name}");
        assert!(exchange.timings.ttfb_us.is_some() && exchange.timings.body_us.is_some(), "{name}");
        if end == BodyEnd::TimedOut {
            assert!(exchange.took().micros() >= 850_000, "{name} {:?}", exchange.took());
        }
        if response.status == 404 {
            assert_eq!(response.sniff.as_deref(), Some("nope"));
        }
    }
}

fn script_close(bytes: &'static [u8]) -> Script {
    script(move |_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(bytes).await.unwrap();
        let _ = stream.shutdown().await;
    })
}

#[tokio::test]
async fn a_body_over_the_limit_is_cut_and_its_connection_dropped() {
    let server =
        Server::answering([b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", &[0; 100_000][..]].concat(), true)
            .await;
    let probe = probe();
    let mut request = get(server.url("/a"), ObjectKind::Segment);
    request.limits.max_body_bytes = 70_000;
    let mut body = Collect::default();
    for connections in 1..=2 {
        body.0.clear();
        let exchange = probe.fetch(&request, &mut body).await;
        let response = response(&exchange);
        assert_eq!((response.body_end, response.body_bytes, body.0.len()), (BodyEnd::TooLarge, 70_000, 70_000));
        assert_eq!(server.connections(), connections);
    }
}

#[tokio::test]
async fn gzip_is_undone_for_manifests_and_a_bomb_is_stopped() {
    let gzip = |bytes: &[u8]| {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        let body = encoder.finish().unwrap();
        [
            format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes(),
            body,
        ]
        .concat()
    };
    let text = b"#EXTM3U\n#EXT-X-VERSION:6\n".repeat(50);
    for (plain, end) in [(text.clone(), BodyEnd::Complete), (vec![0; 20 << 20], BodyEnd::TooLarge)] {
        let server = Server::answering(gzip(&plain), true).await;
        let mut request = get(server.url("/a.m3u8"), ObjectKind::MediaPlaylist);
        request.limits.max_body_bytes = 1 << 20;
        let mut body = Collect::default();
        let exchange = probe().fetch(&request, &mut body).await;
        assert_eq!(response(&exchange).body_end, end);
        assert!(body.0.len() <= 1 << 20);
        if end == BodyEnd::Complete {
            assert_eq!(body.0, text);
            assert!(response(&exchange).body_bytes < text.len() as u64, "bytes are counted as on the wire");
        }
    }
}

#[tokio::test]
async fn timings_tell_phases_and_stalls() {
    let server = Server::start(script(|_, mut stream| async move {
        while read_head(&mut stream).await.is_some() {
            tokio::time::sleep(Duration::from_millis(120)).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\0").await.unwrap();
            tokio::time::sleep(Duration::from_millis(150)).await;
            stream.write_all(b"\0").await.unwrap();
        }
    }))
    .await;
    let probe = probe();
    for reused in [false, true] {
        let exchange = probe.fetch(&get(server.url("/a"), ObjectKind::Segment), &mut Collect::default()).await;
        let t = exchange.timings;
        assert_eq!((t.reused, t.connect_us.is_none(), t.dns_us), (reused, reused, None));
        assert!(t.ttfb_us.unwrap() >= 115_000 && t.body_us.unwrap() >= 145_000, "{t:?}");
        assert!(t.longest_stall_us.unwrap() >= 145_000, "{t:?}");
        assert!(exchange.took().micros() >= t.ttfb_us.unwrap() + t.body_us.unwrap());
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_dead_idle_connection_is_replaced_unseen_but_never_after_an_answer_began() {
    // Connection 0 answers once, then dies at the second request; the others answer.
    for (second, visible) in [(&b""[..], false), (&b"HTTP/1.1 2"[..], true)] {
        let server = Server::start(script(move |n, mut stream| async move {
            for request in 0.. {
                if read_head(&mut stream).await.is_none() {
                    return;
                }
                if n == 0 && request == 1 {
                    stream.write_all(second).await.unwrap();
                    return;
                }
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\0").await.unwrap();
            }
        }))
        .await;
        let probe = probe();
        let request = get(server.url("/a"), ObjectKind::Segment);
        assert!(probe.fetch(&request, &mut Collect::default()).await.is_complete_success());
        let exchange = probe.fetch(&request, &mut Collect::default()).await;
        if visible {
            assert_eq!(failure(&exchange), (Phase::Request, FailureKind::Closed));
        } else {
            assert!(exchange.is_complete_success());
            assert!(!exchange.timings.reused && exchange.timings.connect_us.is_some());
        }
        assert_eq!(server.connections(), if visible { 1 } else { 2 });
        let mut fresh = request.clone();
        fresh.reuse = Reuse::NewConnection;
        let before = server.connections();
        assert!(probe.fetch(&fresh, &mut Collect::default()).await.is_complete_success());
        assert_eq!(server.connections(), before + 1);
    }
}

#[tokio::test]
async fn validators_and_ranges_are_sent() {
    let server = Server::start(script(|_, mut stream| async move {
        let head = read_head(&mut stream).await.unwrap().to_ascii_lowercase();
        let good = head.contains("if-none-match: \"v1\"\r\n")
            && head.contains("range: bytes=10-19\r\n")
            && head.contains("x-key: s3cret\r\n")
            && head.contains("accept-encoding: identity\r\n")
            && head.starts_with("get /a?b=c http/1.1\r\nhost: 127.0.0.1:");
        let status = if good { "304 Not Modified" } else { "400 Bad Request" };
        stream
            .write_all(format!("HTTP/1.1 {status}\r\nSet-Cookie: a=b\r\nETag: \"v1\"\r\n\r\n").as_bytes())
            .await
            .unwrap();
    }))
    .await;
    let mut request = get(server.url("/a?b=c#d"), ObjectKind::Segment);
    request.etag = Some("\"v1\"".into());
    request.range = Some((10, 19));
    request.headers = Arc::new([("X-Key".into(), "s3cret".into())]);
    let exchange = probe().fetch(&request, &mut Collect::default()).await;
    assert_eq!(exchange.status(), Some(304), "{exchange:?}");
    assert_eq!((exchange.header("ETag"), exchange.header("set-cookie")), (Some("\"v1\""), None));
}

/// A server whose path is the location it redirects to; `/ok` answers, `/next/n` goes on to `/next/n+1`.
async fn redirecting() -> Server {
    Server::start(script(|_, mut stream| async move {
        while let Some(head) = read_head(&mut stream).await {
            let path = head.split(' ').nth(1).unwrap().to_owned();
            let secret = head.to_ascii_lowercase().contains("x-key");
            let answer = if path == "/ok" {
                format!("HTTP/1.1 200 OK\r\nX-Saw-Secret: {secret}\r\nContent-Length: 1\r\n\r\n\0")
            } else {
                let location = match path.strip_prefix("/next/").and_then(|n| n.parse::<u32>().ok()) {
                    Some(n) => format!("/next/{}", n + 1),
                    None => path.strip_prefix("/to?").unwrap_or(&path).to_owned(),
                };
                format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
            };
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }))
    .await
}

#[tokio::test]
async fn redirects_are_bounded_and_guarded() {
    let server = redirecting().await;
    for (path, expected, hops) in [
        ("/to?/to?/ok", None, 2),
        ("/next/1", Some(FailureKind::TooManyRedirects), 6),
        ("/loop", Some(FailureKind::RedirectLoop), 1),
        ("/to?http://169.254.169.254/latest/meta-data", Some(FailureKind::AddressForbidden), 1),
        ("/to?http://[::ffff:169.254.169.254]/", Some(FailureKind::AddressForbidden), 1),
        ("/to?file:///etc/passwd", Some(FailureKind::BadRedirect), 1),
        ("/to?http://", Some(FailureKind::BadRedirect), 1),
    ] {
        let (exchange, _) = fetch(&server.url(path)).await;
        assert_eq!(exchange.redirects.len(), hops, "{path}");
        match expected {
            Some(kind) => assert_eq!(failure(&exchange), (Phase::Policy, kind), "{path}"),
            None => {
                assert!(exchange.is_complete_success(), "{path}: {exchange:?}");
                assert_eq!(exchange.base_url(), server.url("/ok"));
            }
        }
    }
    let other = redirecting().await;
    for (target, seen) in [(server.url("/ok"), "true"), (other.url("/ok"), "false")] {
        let mut request = get(server.url(&format!("/to?{target}")), ObjectKind::Segment);
        request.headers = Arc::new([("x-key".into(), "secret".into())]);
        let exchange = probe().fetch(&request, &mut Collect::default()).await;
        assert_eq!(exchange.header("x-saw-secret"), Some(seen), "headers of a job stay with its origin");
    }
}

#[tokio::test]
async fn user_and_password_of_a_url_are_sent() {
    let server = Server::start(script(|_, mut stream| async move {
        let head = read_head(&mut stream).await.unwrap().to_ascii_lowercase();
        // probe:p@ss
        let good = head.contains("authorization: basic chjvymu6cebzcw==\r\n") && !head.contains("p%40ss");
        let status = if good { "204 No Content" } else { "401 Unauthorized" };
        stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).await.unwrap();
    }))
    .await;
    let url = format!("http://probe:p%40ss@{}/a", server.addr);
    assert_eq!(fetch(&url).await.0.status(), Some(204));
}

#[tokio::test]
async fn private_addresses_need_permission() {
    let server = redirecting().await;
    let mut request = get(server.url("/ok"), ObjectKind::Segment);
    request.access.rules.allow_private = false;
    let exchange = probe().fetch(&request, &mut Collect::default()).await;
    assert_eq!(failure(&exchange), (Phase::Policy, FailureKind::AddressForbidden));
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn names_fail_in_their_own_ways_and_dead_addresses_are_passed_over() {
    let server = redirecting().await;
    let port = server.addr.port();
    let ips = |list: &[&str]| Ok(list.iter().map(|ip| ip.parse().unwrap()).collect());
    let probe = probe_with(Names(vec![
        ("broken.test", Err(ResolveError::Failed("server failure".into()))),
        ("empty.test", ips(&[])),
        ("half.test", ips(&["::1", "127.0.0.1"])),
        ("meta.test", ips(&["169.254.169.254", "fe80::1"])),
        ("dead.test", ips(&["::1", "127.0.0.3"])),
    ]));
    for (host, expected) in [
        ("missing.test", Some((Phase::Dns, FailureKind::NameNotFound))),
        ("broken.test", Some((Phase::Dns, FailureKind::ResolverFailed))),
        ("empty.test", Some((Phase::Dns, FailureKind::ResolverFailed))),
        ("meta.test", Some((Phase::Policy, FailureKind::AddressForbidden))),
        ("half.test", None),
    ] {
        let request = get(format!("http://{host}:{port}/ok"), ObjectKind::Segment);
        let exchange = probe.fetch(&request, &mut Collect::default()).await;
        match expected {
            Some(expected) => assert_eq!(failure(&exchange), expected, "{host}"),
            None => {
                assert!(exchange.is_complete_success(), "{exchange:?}");
                assert_eq!(exchange.remote_addr, Some(server.addr.to_string()));
                assert_eq!(exchange.failed_addresses.len(), 1, "{exchange:?}");
                assert!(exchange.timings.dns_us.is_some());
            }
        }
    }
    let exchange =
        probe.fetch(&get(format!("http://dead.test:{port}/"), ObjectKind::Segment), &mut Collect::default()).await;
    assert_eq!(failure(&exchange).0, Phase::Connect);
    assert_eq!(exchange.failed_addresses.len(), 2);
}

#[tokio::test]
async fn an_address_that_never_answers_costs_the_stagger_only() {
    // A listener with a full backlog takes no more connections: the kernel stays silent.
    let full = socket_with_full_backlog().await;
    let port = full.port;
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let accept = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\0").await.unwrap();
    });
    let names = vec![("slow.test", Ok(vec!["127.0.0.2".parse().unwrap(), "127.0.0.1".parse().unwrap()]))];
    let probe = probe_with(Names(names));
    let request = get(format!("http://slow.test:{port}/"), ObjectKind::Segment);
    let exchange = probe.fetch(&request, &mut Collect::default()).await;
    assert!(exchange.is_complete_success(), "{exchange:?}");
    assert!(exchange.timings.connect_us.unwrap() >= 240_000);
    accept.await.unwrap();
    let alone = get(format!("http://127.0.0.2:{port}/"), ObjectKind::Segment);
    let exchange = probe.fetch(&alone, &mut Collect::default()).await;
    assert_eq!(failure(&exchange), (Phase::Connect, FailureKind::TimedOut));
    drop(full);
}

struct Full {
    port: u16,
    _listener: tokio::net::TcpListener,
    _held: Vec<TcpStream>,
}

async fn socket_with_full_backlog() -> Full {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(addr)).await {
        held.push(stream);
    }
    Full { port: addr.port(), _listener: listener, _held: held }
}
