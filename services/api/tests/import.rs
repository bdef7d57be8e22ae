//! Import of channels over HTTP: real PostgreSQL, real NATS, and a packager on loopback for the addresses.

use std::net::SocketAddr;

use ow_api::{ApiConfig, Deps, serve};
use ow_service::Ops;
use ow_store::Store;
use ow_testkit::{test_bus, test_store};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// SHA-256 of `test`.
const TOKEN_HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

struct Api {
    base: String,
    store: Store,
    client: reqwest::Client,
    shutdown: CancellationToken,
}

impl Api {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (bus, store) = (test_bus().await.unwrap(), test_store().await.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/api/v1", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let config = ApiConfig { token_sha256: TOKEN_HASH.into(), ..ApiConfig::default() };
        let deps = Deps { bus, store: store.clone(), ops: Ops::default() };
        let stop = shutdown.clone();
        tokio::spawn(async move { serve(listener, config, deps, stop).await.unwrap() });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let api = Self { base, store, client, shutdown };
        for path in ["/probes/hcm-1", "/templates/hd"] {
            let request = api.client.put(format!("{}{path}", api.base)).bearer_auth("test");
            assert_eq!(request.json(&json!({"spec": {}})).send().await.unwrap().status(), 201, "{path}");
        }
        api
    }

    async fn import(&self, query: &str, kind: &str, text: &str) -> (u16, Value) {
        let request = self.client.post(format!("{}/channels:import{query}", self.base)).bearer_auth("test");
        let request = request.header("content-type", kind).body(text.to_owned());
        let response = request.send().await.unwrap();
        (response.status().as_u16(), serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }

    async fn channels(&self) -> usize {
        let objects = self.store.load_config().await.unwrap().objects;
        objects.iter().filter(|object| object.kind.plural() == "channels").count()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn results(body: &Value) -> String {
    let rows = body["rows"].as_array().unwrap_or_else(|| panic!("{body}")).iter();
    rows.map(|row| format!("{}={}", row["name"].as_str().unwrap(), row["result"].as_str().unwrap()))
        .collect::<Vec<_>>()
        .join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_applied_as_a_whole_or_row_by_row() {
    let api = Api::start().await;
    let good = "name,url,label.group\nvtv1,http://o/1.m3u8,vtv\nvtv2,http://o/2.mpd,vtv\n";
    let query = "?format=csv&template=hd&probes=hcm-1&owner=epg";
    let (status, dry) = api.import(&format!("{query}&dry_run=true"), "text/csv", good).await;
    assert_eq!((status, results(&dry).as_str()), (200, "vtv1=created vtv2=created"), "{dry}");
    assert_eq!((dry["applied"].as_bool(), api.channels().await), (Some(false), 0));
    let (_, made) = api.import(query, "text/csv", good).await;
    assert_eq!((made["applied"].as_bool(), made["created"].as_u64()), (Some(true), Some(2)), "{made}");
    let read = api.client.get(format!("{}/channels/vtv2", api.base)).bearer_auth("test").send().await.unwrap();
    let read: Value = serde_json::from_str(&read.text().await.unwrap()).unwrap();
    assert_eq!(read["spec"]["streams"][0]["protocol"], "dash", "{read}");
    assert_eq!((&read["managed_by"], &read["labels"]["group"]), (&json!("epg"), &json!("vtv")), "{read}");

    let (_, same) = api.import(query, "text/csv", good).await;
    assert_eq!((results(&same).as_str(), &same["revision"]), ("vtv1=unchanged vtv2=unchanged", &made["revision"]));

    // Another owner's channel, a template that is not there, an address that is none.
    let mixed = "name,url,template,probes\nvtv1,http://o/new.m3u8,,\nvtv3,http://o/3.m3u8,,hcm-1\n\
        vtv4,http://o/4.m3u8,uhd,hcm-1\nvtv5,ftp://o/5.m3u8,,hcm-1\n";
    let expected = "vtv1=failed vtv3=created vtv4=failed vtv5=failed";
    let (status, refused) = api.import("?owner=other", "text/csv", mixed).await;
    assert_eq!((status, results(&refused).as_str(), &refused["applied"]), (200, expected, &json!(false)), "{refused}");
    assert_eq!(api.channels().await, 2);
    let error = |n: usize| {
        let error = &refused["rows"][n]["errors"][0];
        (error["column"].as_str().unwrap(), error["code"].as_str().unwrap(), error["value"].as_str().unwrap())
    };
    assert_eq!(error(0), ("label.managed-by", "other-owner", "epg"));
    assert_eq!(error(2), ("template", "unknown-reference", "uhd"));
    assert_eq!(error(3), ("url", "invalid-value", "ftp://o/5.m3u8"));
    let (_, partly) = api.import("?owner=other&atomic=false", "text/csv", mixed).await;
    assert_eq!((results(&partly).as_str(), &partly["applied"], &partly["failed"]), (expected, &json!(true), &json!(3)));
    assert_eq!(api.channels().await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playlist_is_imported_and_what_is_none_is_refused() {
    let api = Api::start().await;
    let text = "#EXTM3U\n#EXTINF:-1 tvg-id=\"VTV3.vn\" group-title=\"Thể thao\",VTV3 HD\nhttp://o/3.m3u8\n\
        #EXTINF:-1,Đồng Nai 1\nhttp://o/dn.mpd\n";
    let (status, made) = api.import("?probes=hcm-1", "audio/x-mpegurl", text).await;
    assert_eq!((status, results(&made).as_str()), (200, "vtv3-vn=created dong-nai-1=created"), "{made}");
    for (query, kind, text, status, code) in [
        ("?format=m3u", "text/plain", "name,url\n", 422, "invalid-list"),
        ("", "text/csv", "nane,url\n", 422, "invalid-list"),
        ("?format=xls", "text/csv", "name,url\na,http://o/a.m3u8\n", 400, "invalid-query"),
        ("?probes=A%20B", "text/csv", "name,url\na,http://o/a.m3u8\n", 400, "invalid-query"),
        ("", "application/json", "{}", 415, "unsupported-media-type"),
    ] {
        let (found, problem) = api.import(query, kind, text).await;
        assert_eq!((found, problem["code"].as_str().unwrap()), (status, code), "{query} {text}: {problem}");
    }
    assert_eq!(api.channels().await, 2);
}

/// Answers one request a connection, by its path.
async fn packager() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => return,
                    }
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let (status, more, body) = match head.split(' ').nth(1).unwrap_or_default() {
                    "/multi.m3u8" => (200, String::new(), "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\nb.m3u8\n".to_owned()),
                    "/media.m3u8" => (200, String::new(), "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n1.ts\n".to_owned()),
                    "/live.mpd" => (200, String::new(), "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"dynamic\"><Period><AdaptationSet><Representation id=\"a\" bandwidth=\"1\"/><Representation id=\"b\" bandwidth=\"2\"/><Representation id=\"c\" bandwidth=\"3\"/></AdaptationSet></Period></MPD>".to_owned()),
                    "/page.m3u8" => (200, String::new(), "<html><body>login</body></html>".to_owned()),
                    "/moved.m3u8" => (302, "Location: /multi.m3u8\r\n".to_owned(), String::new()),
                    "/loop.m3u8" => (302, "Location: /loop.m3u8\r\n".to_owned(), String::new()),
                    "/metadata.m3u8" => (302, "Location: http://169.254.169.254/latest\r\n".to_owned(), String::new()),
                    "/file.m3u8" => (302, "Location: file:///etc/passwd\r\n".to_owned(), String::new()),
                    "/huge.m3u8" => (200, String::new(), "#".repeat((1 << 20) + 1)),
                    _ => (404, String::new(), "gone".to_owned()),
                };
                let answer = format!(
                    "HTTP/1.1 {status} X\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_asked_and_none_that_may_not_be() {
    let api = Api::start().await;
    let packager = packager().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let cases = [
        (format!("http://{packager}/multi.m3u8"), "hls", json!([true, 200, "hls-multivariant", 2]), ""),
        (format!("http://{packager}/media.m3u8"), "hls", json!([true, 200, "hls-media", 1]), ""),
        (format!("http://{packager}/live.mpd"), "dash", json!([true, 200, "mpd", 3]), ""),
        (format!("http://{packager}/moved.m3u8"), "hls", json!([true, 200, "hls-multivariant", 2]), ""),
        (format!("http://{packager}/live.mpd"), "hls", json!([false, 200, "mpd", 3]), "is dash, and the row says hls"),
        (format!("http://{packager}/gone.m3u8"), "hls", json!([false, 404, null, null]), "answers 404, not 200"),
        (format!("http://{packager}/page.m3u8"), "hls", json!([false, 200, null, null]), "answers HTML, no playlist"),
        (format!("http://{packager}/huge.m3u8"), "hls", json!([false, 200, null, null]), "more than 1048576 bytes"),
        (
            format!("http://{packager}/loop.m3u8"),
            "hls",
            json!([false, null, null, null]),
            "redirects more than 5 times",
        ),
        (format!("http://{packager}/metadata.m3u8"), "hls", json!([false, null, null, null]), "link-local"),
        (
            format!("http://{packager}/file.m3u8"),
            "hls",
            json!([false, null, null, null]),
            "leads to the scheme \"file\"",
        ),
        ("http://169.254.169.254/a.m3u8".into(), "hls", json!([false, null, null, null]), "link-local"),
        ("http://[::ffff:169.254.169.254]/a.m3u8".into(), "hls", json!([false, null, null, null]), "link-local"),
        ("http://0.0.0.0/a.m3u8".into(), "hls", json!([false, null, null, null]), "unspecified address"),
        (format!("http://{closed}/a.m3u8"), "hls", json!([false, null, null, null]), "does not answer"),
    ];
    let lines: String =
        cases.iter().enumerate().map(|(n, (url, protocol, ..))| format!("c{n},{url},{protocol}\n")).collect();
    let text = format!("name,url,protocol\n{lines}");
    let (status, body) = api.import("?probes=hcm-1&probe=true&dry_run=true", "text/csv", &text).await;
    assert_eq!((status, body["failed"].as_u64()), (200, Some(0)), "{body}");
    for (n, (url, _, expected, reason)) in cases.iter().enumerate() {
        let probed = &body["rows"][n]["probed"][0];
        let found = json!([probed["ok"], probed["status"], probed["kind"], probed["renditions"]]);
        assert_eq!(found, *expected, "{url}: {probed}");
        let why = probed["reason"].as_str().unwrap_or_default();
        assert!(why.contains(reason) && why.is_empty() == reason.is_empty(), "{url}: {probed}");
    }
}
