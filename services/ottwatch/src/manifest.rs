//! `ottwatch manifest`: what was served, and how it changed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use ow_domain::{ChannelId, Time};
use ow_service::Exit;
use ow_store::manifests::{ManifestFilter, ServedManifest, StoredLoad};
use ow_store::{Store, StoreConfig};
use serde_json::json;

use crate::cli::{
    ConnectArgs, ManifestAtArgs, ManifestDiffArgs, ManifestLsArgs, ManifestShowArgs, ManifestWhich, TailOutput,
};
use crate::{runfile, when};

/// Lines around a change.
const CONTEXT: usize = 3;

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
            TailOutput::Json => println!("{}", pair.json()),
            TailOutput::Text => print!("{}", pair.text()),
        }
    }
    Ok(if differ { Exit::Warning } else { Exit::Ok })
}

fn channel(text: &str) -> Option<ChannelId> {
    ChannelId::new(text).map_err(|error| eprintln!("channel {text:?}: {error}")).ok()
}

/// `main media-playlist video-1 by hcm-1 2026-11-22T09:41:07.250000Z 200 http://... 9f86d0...`
fn title(load: &StoredLoad) -> String {
    let mut text = name(load);
    let _ = write!(text, " {} ", load.at);
    match (&load.status, &load.failure) {
        (Some(status), _) => drop(write!(text, "{status}")),
        (None, Some(failure)) => text.push_str(failure),
        (None, None) => text.push_str("no answer"),
    }
    let _ = write!(text, " {} {}", load.url, load.digest.as_deref().unwrap_or("no body"));
    text
}

fn name(load: &StoredLoad) -> String {
    let track = load.track.as_ref().map(|t| format!(" {t}")).unwrap_or_default();
    format!("{} {}{track} by {}", load.stream, load.object, load.probe)
}

/// One manifest at two times.
struct Pair {
    before: Option<ServedManifest>,
    after: Option<ServedManifest>,
}

/// By stream, object, rendition and probe.
fn pairs(before: Vec<ServedManifest>, after: Vec<ServedManifest>) -> Vec<Pair> {
    let key = |m: &ServedManifest| {
        let load = &m.load;
        (
            load.stream.clone(),
            load.object == "media-playlist",
            load.track.clone(),
            load.object.clone(),
            load.probe.clone(),
        )
    };
    let mut all: BTreeMap<_, Pair> = BTreeMap::new();
    for manifest in before {
        all.insert(key(&manifest), Pair { before: Some(manifest), after: None });
    }
    for manifest in after {
        let pair = all.entry(key(&manifest)).or_insert(Pair { before: None, after: None });
        pair.after = Some(manifest);
    }
    all.into_values().collect()
}

impl Pair {
    fn is_same(&self) -> bool {
        self.before.as_ref().map(|m| &m.load.digest) == self.after.as_ref().map(|m| &m.load.digest)
    }

    /// The difference as `diff -u` shows it.
    fn unified(&self) -> String {
        let text = |m: &Option<ServedManifest>| m.as_ref().map(|m| m.text.clone()).unwrap_or_default();
        let title = |m: &Option<ServedManifest>| m.as_ref().map_or_else(|| "not served".to_owned(), |m| title(&m.load));
        let (before, after) = (text(&self.before), text(&self.after));
        let diff = similar::TextDiff::from_lines(&before, &after);
        let mut unified = diff.unified_diff();
        unified.context_radius(CONTEXT).header(&title(&self.before), &title(&self.after)).to_string()
    }

    /// The difference in words, a line each.
    fn meaning(&self) -> Vec<String> {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => meaning(&before.load.object, &before.text, &after.text),
            (Some(_), None) => vec!["no longer asked for".to_owned()],
            (None, Some(_)) => vec!["not asked for before".to_owned()],
            (None, None) => Vec::new(),
        }
    }

    fn json(&self) -> serde_json::Value {
        let load = |m: &Option<ServedManifest>| m.as_ref().map(|m| m.load.clone());
        json!({
            "before": load(&self.before),
            "after": load(&self.after),
            "same": self.is_same(),
            "meaning": if self.is_same() { Vec::new() } else { self.meaning() },
            "unified": if self.is_same() { String::new() } else { self.unified() },
        })
    }

    fn text(&self) -> String {
        let Some(load) = self.before.as_ref().or(self.after.as_ref()).map(|m| &m.load) else { return String::new() };
        if self.is_same() {
            return format!("{}: the same\n", name(load));
        }
        let mut out = format!("{}:\n", name(load));
        let meaning = self.meaning();
        if meaning.is_empty() {
            out.push_str("  other text of the same meaning\n");
        }
        for line in meaning {
            let _ = writeln!(out, "  {line}");
        }
        out.push_str(&self.unified());
        out
    }
}

/// Differences by meaning of two manifests of one kind.
fn meaning(object: &str, before: &str, after: &str) -> Vec<String> {
    if object == "mpd" {
        return mpd_meaning(before, after);
    }
    let read = |text: &str| ow_hls::parse(text.as_bytes(), ow_hls::Variables::default()).0;
    ow_hls::diff(&read(before), &read(after)).iter().map(ToString::to_string).collect()
}

fn mpd_meaning(before: &str, after: &str) -> Vec<String> {
    use ow_dash::{Document, parse};
    match (parse(before.as_bytes()).0, parse(after.as_bytes()).0) {
        (Document::Mpd(before), Document::Mpd(after)) => {
            ow_dash::diff(&before, &after).iter().map(ToString::to_string).collect()
        }
        (Document::Mpd(_), _) => vec!["no MPD any more".to_owned()],
        (_, Document::Mpd(_)) => vec!["an MPD again".to_owned()],
        _ => vec!["neither is an MPD".to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(track: Option<&str>, text: &str) -> ServedManifest {
        let object = if track.is_some() { "media-playlist" } else { "mvp" };
        let load = StoredLoad {
            stream: "main".into(),
            object: object.into(),
            track: track.map(str::to_owned),
            probe: "p1".into(),
            at: Time::UNIX_EPOCH,
            url: "http://h/a.m3u8".into(),
            status: Some(200),
            failure: None,
            digest: Some(text.len().to_string()),
            capture: String::new(),
        };
        ServedManifest { load, text: text.to_owned(), lossy: false }
    }

    #[test]
    fn mpds_are_compared_by_meaning() {
        let mpd = |published: u32| {
            format!(
                "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"dynamic\" publishTime=\"2026-11-22T09:41:0{published}Z\" \
                 profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" minBufferTime=\"PT2S\"><Period id=\"p1\" start=\"PT0S\"/></MPD>"
            )
        };
        assert_eq!(meaning("mpd", &mpd(1), &mpd(1).replace("<Period", "\n<Period")), [] as [&str; 0]);
        let told = meaning("mpd", &mpd(1), &mpd(3));
        assert!(told.len() == 1 && told[0].starts_with("MPD: publishTime"), "{told:?}");
        assert_eq!(meaning("mpd", &mpd(1), "<html/>"), ["no MPD any more"]);
    }

    #[test]
    fn differences_are_shown_in_words_and_as_text() {
        let live = |first: u64| {
            let list: String = (first..first + 3).map(|n| format!("#EXTINF:6,\ns{n}.ts\n")).collect();
            format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:{first}\n{list}")
        };
        let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n";
        let before = vec![served(None, master), served(Some("v1"), &live(8)), served(Some("v2"), master)];
        let after = vec![served(None, master), served(Some("v1"), &live(11))];
        let pairs = pairs(before, after);
        let text: Vec<String> = pairs.iter().map(Pair::text).collect();
        assert_eq!(text[0], "main mvp by p1: the same\n");
        for told in [
            "window moved from MSN 8..10 to 11..13: no segment is in both\n",
            "-#EXT-X-MEDIA-SEQUENCE:8\n+#EXT-X-MEDIA-SEQUENCE:11\n",
            "--- main media-playlist v1 by p1 1970-01-01T00:00:00.000000Z 200 http://h/a.m3u8 ",
        ] {
            assert!(text[1].contains(told), "{told}: {}", text[1]);
        }
        assert!(text[2].contains("no longer asked for") && text[2].contains("+++ not served"), "{}", text[2]);
        assert_eq!(pairs[1].json()["meaning"][0], "window moved from MSN 8..10 to 11..13: no segment is in both");
    }
}
