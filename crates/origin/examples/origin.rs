//! Runs an origin until Ctrl-C: `cargo run -p ow-origin --example origin -- '{"listen": "127.0.0.1:8080", "segment_ms": 2000}'`.

use ow_origin::OriginConfig;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config: OriginConfig = serde_json::from_str(std::env::args().nth(1).as_deref().unwrap_or("{}"))?;
    let origin = ow_origin::start(config).await?;
    let hls = [origin.hls_ts("ch1"), origin.hls_cmaf("ch1"), origin.hls_ll("ch1")];
    for url in hls.into_iter().chain([origin.dash_timeline("ch1"), origin.dash_number("ch1")]) {
        println!("{url}");
    }
    tokio::signal::ctrl_c().await?;
    origin.shutdown().await;
    Ok(())
}
