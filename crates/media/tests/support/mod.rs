//! Asking the live packager.

use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use ow_origin::Origin;

pub async fn get(origin: &Origin, path: &str) -> Vec<u8> {
    let stream = tokio::net::TcpStream::connect(origin.addr).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let task = tokio::spawn(connection);
    let request = hyper::Request::get(path).header("host", "origin").body(Empty::<hyper::body::Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    let body = response.into_body().collect().await.unwrap().to_bytes().to_vec();
    drop(sender);
    let _ = tokio::time::timeout(Duration::from_secs(1), task).await;
    body
}

/// Paths of the segments that a media playlist lists now.
pub async fn listed(origin: &Origin, playlist: &str) -> Vec<String> {
    let text = String::from_utf8(get(origin, playlist).await).unwrap();
    let base = &playlist[..=playlist.rfind('/').unwrap()];
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(|line| format!("{base}{line}")).collect()
}
