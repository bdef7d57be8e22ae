//! A static file server for a folder that a packager writes into, with the media types of HLS.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Path as UrlPath, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Serves until dropped.
pub struct FileServer {
    pub addr: SocketAddr,
    task: JoinHandle<()>,
}

impl FileServer {
    pub async fn start(folder: &Path) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen on loopback")?;
        let addr = listener.local_addr()?;
        let router = Router::new().route("/{*path}", get(serve)).with_state(folder.to_owned());
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("file server ended: {error}");
            }
        });
        Ok(Self { addr, task })
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.addr)
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(State(folder): State<PathBuf>, UrlPath(path): UrlPath<String>) -> Response {
    if path.split('/').any(|part| part == "..") {
        return StatusCode::FORBIDDEN.into_response();
    }
    let kind = match path.rsplit('.').next() {
        Some("m3u8") => "application/vnd.apple.mpegurl",
        Some("ts") => "video/mp2t",
        Some("m4s" | "mp4") => "video/mp4",
        _ => "application/octet-stream",
    };
    match tokio::fs::read(folder.join(&path)).await {
        Ok(body) => ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], body).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}
