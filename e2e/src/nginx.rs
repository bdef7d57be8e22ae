//! nginx as it stands before an origin: static files of a folder, playlists and MPDs compressed, and the time of day at
//! `/now` as UTCTiming wants it.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result};
use tokio::process::{Child, Command};

/// Serves until dropped.
pub struct Nginx {
    pub addr: SocketAddr,
    _child: Child,
}

impl Nginx {
    /// Serves `folder`; keeps its own files in `home`.
    pub async fn start(folder: &Path, home: &Path) -> Result<Self> {
        // Free at this moment; nginx says so in its log when somebody was faster.
        let addr = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).context("no free port")?;
        let home = home.display();
        let conf = format!(
            "daemon off; master_process off; worker_processes 1; pid {home}/nginx.pid; error_log {home}/error.log warn;\n\
             events {{ worker_connections 512; }}\n\
             http {{\n  access_log off; default_type application/octet-stream; keepalive_timeout 65;\n  \
             client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;\n  \
             uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;\n  \
             types {{ application/vnd.apple.mpegurl m3u8; application/dash+xml mpd; video/mp2t ts; video/mp4 mp4 m4s; }}\n  \
             gzip on; gzip_min_length 1; gzip_types application/vnd.apple.mpegurl application/dash+xml;\n  \
             server {{\n    listen {addr}; root {};\n    \
             location = /now {{ default_type text/plain; return 200 $time_iso8601; }}\n    \
             location ~ \\.(m3u8|mpd)$ {{ add_header Cache-Control max-age=1; }}\n  }}\n}}\n",
            folder.display()
        );
        let file = Path::new(&home.to_string()).join("nginx.conf");
        std::fs::write(&file, conf)?;
        let program = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"].into_iter().find(|p| Path::new(p).exists());
        let child = Command::new(program.unwrap_or("nginx"))
            .arg("-c")
            .arg(&file)
            .args(["-p", &home.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(Path::new(&home.to_string()).join("stderr.log"))?)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start nginx; `scripts/setup.sh test` installs it")?;
        Ok(Self { addr, _child: child })
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.addr)
    }
}
