//! `ottwatch manifest`: what was served, and how it changed.

use anyhow::{Context, Result, bail};
use ow_api::manifests::{pairs, title};
use ow_domain::{ChannelId, Time};
use ow_service::Exit;
use ow_store::manifests::{ManifestFilter, ServedManifest};
use ow_store::{Store, StoreConfig};

use crate::cli::{
    ConnectArgs, ManifestAtArgs, ManifestDiffArgs, ManifestLsArgs, ManifestShowArgs, ManifestWhich, TailOutput,
};
use crate::{runfile, when};

fn open(connect: &ConnectArgs) -> Result<Store> {
    Store::open(StoreConfig::new(runfile::postgres(connect)?)).context("cannot use PostgreSQL")
}

fn filter(which: &ManifestWhich) -> ManifestFilter {
    ManifestFilter {
        stream: which.stream.clone(),
        track: which.track.clone(),
        object: which.object.map(|object| object.as_str().to_owned()),
        probe: which.probe.clone(),
    }
}

async fn served(store: &Store, channel: &ChannelId, at: Time, which: &ManifestWhich) -> Result<Vec<ServedManifest>> {
    let served = store.manifests_at(channel, at, &filter(which)).await.context("cannot read the manifests")?;
    if served.is_empty() {
        bail!("no such manifest of {channel} is kept from the hour before {at}");
    }
    Ok(served)
}

/// Prints what was served at a time; several one after the other, each under a line that names it.
pub async fn at(args: &ManifestAtArgs) -> Result<Exit> {
    let Some(channel) = channel(&args.channel) else { return Ok(Exit::Usage) };
    let store = open(&args.connect)?;
    let served = served(&store, &channel, args.time.time(when::now()), &args.which).await?;
    if args.output == TailOutput::Json {
        for manifest in &served {
            println!("{}", serde_json::to_string(manifest)?);
        }
        return Ok(Exit::Ok);
    }
    for (n, manifest) in served.iter().enumerate() {
        let head = format!("==> {} <==", title(&manifest.load));
        // One alone is the document and nothing else, for a pipe.
        if served.len() == 1 {
            eprintln!("{head}");
        } else {
            println!("{}{head}", if n > 0 { "\n" } else { "" });
        }
        print!("{}", manifest.text);
        if !manifest.text.ends_with('\n') {
            println!();
        }
        if manifest.lossy {
            eprintln!("bytes that are not UTF-8 are shown as U+FFFD");
        }
    }
    Ok(Exit::Ok)
}

/// Prints a body by its digest.
pub async fn show(args: &ManifestShowArgs) -> Result<Exit> {
    match open(&args.connect)?.manifest_body(&args.digest).await {
        Ok(Some(text)) => {
            print!("{text}");
            Ok(Exit::Ok)
        }
        Ok(None) => bail!("no manifest with the digest {} is kept", args.digest),
        Err(error) if error.is_data_fault() => {
            eprintln!("{error}");
            Ok(Exit::Usage)
        }
        Err(error) => Err(error).context("cannot read the manifest"),
    }
}

/// Lists loads.
pub async fn ls(args: &ManifestLsArgs) -> Result<Exit> {
    let Some(channel) = channel(&args.channel) else { return Ok(Exit::Usage) };
    let now = when::now();
    let (from, to) = (args.from.time(now), args.to.time(now));
    let store = open(&args.connect)?;
    let loads = store.manifest_loads(&channel, from, to, &filter(&args.which), args.limit).await;
    let loads = loads.context("cannot read the manifests")?;
    for load in &loads {
        match args.output {
            TailOutput::Json => println!("{}", serde_json::to_string(load)?),
            TailOutput::Text => println!("{}", title(load)),
        }
    }
    if loads.is_empty() && args.output == TailOutput::Text {
        println!("no manifests");
    }
    Ok(Exit::Ok)
}

/// Prints how what was served differs between two times.
pub async fn diff(args: &ManifestDiffArgs) -> Result<Exit> {
    let Some(channel) = channel(&args.channel) else { return Ok(Exit::Usage) };
    let now = when::now();
    let store = open(&args.connect)?;
    let before = served(&store, &channel, args.before.time(now), &args.which).await?;
    let after = served(&store, &channel, args.after.time(now), &args.which).await?;
    let pairs = pairs(before, after);
    let mut differ = false;
    for pair in &pairs {
        differ |= !pair.is_same();
        match args.output {
            TailOutput::Json => println!("{}", serde_json::to_string(&pair.difference())?),
            TailOutput::Text => print!("{}", pair.text()),
        }
    }
    Ok(if differ { Exit::Warning } else { Exit::Ok })
}

fn channel(text: &str) -> Option<ChannelId> {
    ChannelId::new(text).map_err(|error| eprintln!("channel {text:?}: {error}")).ok()
}
