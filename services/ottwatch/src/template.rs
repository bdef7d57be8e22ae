//! `ottwatch template learn`: what a channel offers now, as a template for approval.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use ow_checks::offer::{Ladder, Proposal, keys_of_media, of_dash, of_hls, propose};
use ow_domain::capture::{Capture, ObjectKind, Protocol, printable_url};
use ow_domain::config::{ConfigKind, ConfigObject};
use ow_domain::job::{Depth, FetchJob, FetchLimits, StreamJob};
use ow_domain::{ChannelId, ProbeId, Slug, StreamId};
use ow_fetcher::http::{Probe, ProbeOptions};
use ow_fetcher::watch_channel;
use ow_service::{Exit, shutdown};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::check;
use crate::cli::TemplateLearnArgs;

/// A packager that has not answered by then will not be learned from.
const LONGEST: Duration = Duration::from_secs(15);

/// Where to look, and what the template goes on from.
struct Subject {
    streams: Vec<StreamJob>,
    limits: FetchLimits,
    /// Template of the channel now.
    extends: Option<String>,
}

pub async fn learn(args: &TemplateLearnArgs) -> Result<Exit> {
    let name = args.name.clone().unwrap_or_else(|| format!("{}-learned", args.channel));
    let (Ok(name), Ok(channel)) = (Slug::new(&name), ChannelId::new(&args.channel)) else {
        eprintln!("{name:?} is not a valid name; use 1 to 63 of a-z, 0-9 and '-'; example: vtv3-learned");
        return Ok(Exit::Usage);
    };
    let mut subject = if args.url.is_empty() {
        match stored(args).await? {
            Some(subject) => subject,
            None => {
                eprintln!("channel {:?} is not in the store; name its entry by --url", args.channel);
                return Ok(Exit::Usage);
            }
        }
    } else {
        match given(&args.url) {
            Ok(subject) => subject,
            Err(problem) => {
                eprintln!("{problem}");
                return Ok(Exit::Usage);
            }
        }
    };
    if let Some(path) = &args.ca {
        let pem = std::fs::read_to_string(path).with_context(|| format!("--ca {}: cannot be read", path.display()))?;
        subject.limits.extra_roots_pem = Some(pem);
    }
    let offers = look(&channel, &subject).await?;
    let missing: Vec<String> =
        subject.streams.iter().filter(|s| !offers.contains_key(&s.stream)).map(|s| printable_url(&s.url)).collect();
    for url in &missing {
        eprintln!("{url}: no manifest that offers anything within {} s", LONGEST.as_secs());
    }
    if !missing.is_empty() {
        return Ok(Exit::Unavailable);
    }
    let offers: Vec<Ladder> = subject.streams.iter().filter_map(|s| offers.get(&s.stream).cloned()).collect();
    let proposal = propose(&offers);
    let text = document(&name, &channel, &subject, &proposal);
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    let contract = &proposal.contract;
    eprintln!(
        "proposed: {} video, {} audio and {} subtitle renditions; read it, then: ottwatch apply -f FILE, and set template: {name} \
         on the channel",
        contract.video.len(),
        contract.audio.len(),
        contract.subtitles.len()
    );
    Ok(Exit::Ok)
}

fn given(urls: &[String]) -> Result<Subject, String> {
    let mut streams = Vec::new();
    for (index, url) in urls.iter().enumerate() {
        if !check::is_http(url) {
            let shown = printable_url(url);
            return Err(format!(
                "{shown:?} is not an http or https URL; example: https://origin.example/vtv3/master.m3u8"
            ));
        }
        let path = url.split(['?', '#']).next().unwrap_or_default();
        let protocol = if path.ends_with(".mpd") { Protocol::Dash } else { Protocol::Hls };
        let stream = StreamId::new(&format!("s{index}")).map_err(|error| error.to_string())?;
        streams.push(StreamJob { stream, protocol, url: url.clone(), headers: Vec::new(), depth: Depth::Manifest });
    }
    Ok(Subject { streams, limits: FetchLimits::default(), extends: None })
}

/// The policy of the stored channel; `None` when there is no such channel.
async fn stored(args: &TemplateLearnArgs) -> Result<Option<Subject>> {
    let store = crate::open_store(&args.connect)?;
    let objects = store.load_config().await.context("cannot read the configuration")?.objects;
    let is_it = |o: &&ConfigObject| o.kind == ConfigKind::Channel && o.name.as_str() == args.channel;
    let Some(channel) = objects.iter().find(is_it) else { return Ok(None) };
    let extends = channel.spec["template"].as_str().map(str::to_owned);
    let (policies, errors) = ow_config::compile_all(&objects);
    if let Some(policy) = policies.into_iter().find(|p| p.channel.as_str() == args.channel) {
        let streams = policy.streams.into_iter().map(|s| StreamJob { depth: Depth::Manifest, ..s }).collect();
        return Ok(Some(Subject { streams, limits: policy.limits, extends }));
    }
    let reason = errors.into_iter().map(|e| e.to_string()).collect::<Vec<_>>().join("; ");
    anyhow::bail!("{reason}")
}

/// Fetches manifests with the fetcher's own engine until every stream has told what it offers.
async fn look(channel: &ChannelId, subject: &Subject) -> Result<BTreeMap<StreamId, Ladder>> {
    let job = FetchJob {
        channel: channel.clone(),
        probe: ProbeId::new("learn")?,
        revision: 1,
        streams: subject.streams.clone(),
        limits: subject.limits.clone(),
    };
    let (sender, mut captures) = mpsc::channel::<Capture>(64);
    let stop = shutdown::on_signals()?;
    let end: CancellationToken = stop.child_token();
    let watching = tokio::spawn(watch_channel(job, Arc::new(Probe::new(ProbeOptions::default())), sender, end.clone()));
    let over = tokio::time::sleep(LONGEST);
    tokio::pin!(over);
    let mut offers: BTreeMap<StreamId, Ladder> = BTreeMap::new();
    let mut lists: BTreeMap<StreamId, usize> = BTreeMap::new();
    loop {
        tokio::select! {
            () = &mut over => break,
            () = stop.cancelled() => break,
            capture = captures.recv() => match capture {
                Some(capture) => take(&capture, &mut offers, &mut lists),
                None => break,
            },
        }
        // Keys of HLS are often in the media playlists alone: one is looked at as well.
        let complete = |s: &StreamJob| {
            offers.contains_key(&s.stream)
                && (s.protocol == Protocol::Dash || lists.get(&s.stream).is_some_and(|n| *n > 0))
        };
        if subject.streams.iter().all(complete) {
            break;
        }
    }
    end.cancel();
    while captures.recv().await.is_some() {}
    watching.await?;
    Ok(offers)
}

fn take(capture: &Capture, offers: &mut BTreeMap<StreamId, Ladder>, lists: &mut BTreeMap<StreamId, usize>) {
    let Some(body) = &capture.body else { return };
    match capture.object {
        ObjectKind::Mpd => {
            let (document, _) = ow_dash::parse(body.text.as_bytes());
            let offer = document.as_mpd().and_then(of_dash).filter(|offer| !offer.is_empty());
            offers.extend(offer.map(|offer| (capture.stream.clone(), offer)));
        }
        ObjectKind::Mvp | ObjectKind::MediaPlaylist => {
            let variables = ow_hls::Variables::for_url(capture.exchange.base_url());
            let (playlist, _) = ow_hls::parse(body.text.as_bytes(), variables);
            if let Some(offer) = playlist.as_multivariant().map(of_hls).filter(|offer| !offer.is_empty()) {
                offers.insert(capture.stream.clone(), offer);
            } else if let Some(media) = playlist.as_media() {
                *lists.entry(capture.stream.clone()).or_default() += 1;
                if let Some(offer) = offers.get_mut(&capture.stream) {
                    let keys = keys_of_media(media);
                    offer.protection.encrypted |= keys.encrypted;
                    offer.protection.systems.extend(keys.systems);
                }
            }
        }
        _ => {}
    }
}

/// Comments and the document: applied as it is, and exported, it is the same again.
fn document(name: &Slug, channel: &ChannelId, subject: &Subject, proposal: &Proposal) -> String {
    let mut text =
        format!("# What channel {channel} offers now, proposed as its contract. Read it before you apply it.\n");
    for stream in &subject.streams {
        let _ = writeln!(text, "# Learned from {}", printable_url(&stream.url));
    }
    for assumed in &proposal.assumed {
        let _ = writeln!(text, "# Assumed: {assumed}.");
    }
    let mut spec = json!({"ladder": ow_config::ladder_spec(&proposal.contract)});
    if let Some(extends) = subject.extends.as_ref().filter(|extends| extends.as_str() != name.as_str()) {
        spec["extends"] = extends.as_str().into();
    }
    let object =
        ConfigObject { kind: ConfigKind::Template, name: name.clone(), labels: BTreeMap::new(), spec, revision: 0 };
    text.push_str(&ow_config::export_document(&object));
    text
}
