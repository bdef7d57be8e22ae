//! `ottwatch origin`.

use anyhow::{Context, Result};
use ow_origin::{FaultScript, NamedFault, OriginConfig};
use ow_service::{Exit, shutdown};

use crate::cli::OriginArgs;

/// Serves until a signal.
pub async fn main(args: &OriginArgs) -> Result<Exit> {
    if args.list_faults {
        for fault in NamedFault::all() {
            println!("{:<12} {:<14} {}", fault.id, fault.profile.name(), fault.title);
        }
        return Ok(Exit::Ok);
    }
    let mut script = match &args.script {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            match FaultScript::from_toml(&text) {
                Ok(script) => script,
                Err(error) => {
                    eprintln!("{}: {error}", path.display());
                    return Ok(Exit::Config);
                }
            }
        }
        None => FaultScript::default(),
    };
    for fault in &args.fault {
        if let Err(error) = script.add_named(fault) {
            eprintln!("--fault: {error}");
            return Ok(Exit::Config);
        }
    }
    let config = OriginConfig {
        listen: args.listen,
        segment_ms: args.segment_ms,
        control: !args.no_control,
        script,
        ..OriginConfig::default()
    };
    let problems = config.problems();
    if !problems.is_empty() {
        for problem in problems {
            eprintln!("{problem}");
        }
        return Ok(Exit::Config);
    }
    let stop = shutdown::on_signals()?;
    let origin = ow_origin::start(config).await?;
    println!("{}", origin.hls_ts("demo"));
    println!("{}", origin.hls_cmaf("demo"));
    println!("{}", origin.dash_timeline("demo"));
    println!("{}", origin.dash_number("demo"));
    println!("{}", origin.hls_ll("demo"));
    stop.cancelled().await;
    origin.shutdown().await;
    Ok(Exit::Ok)
}
