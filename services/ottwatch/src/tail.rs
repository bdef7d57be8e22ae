//! `ottwatch tail`: messages as they come.

use anyhow::{Context, Result};
use ow_bus::{Bus, Received};
use ow_contracts::{ChannelIncident, IncidentChange, Message, Subject};
use ow_domain::Time;
use ow_domain::capture::Capture;
use ow_domain::incident::{ChangeKind, Delivery, Notice};
use ow_domain::verdict::Verdict;
use ow_service::{Exit, shutdown};

use crate::cli::{TailArgs, TailOutput};
use crate::runfile;

pub async fn main(args: &TailArgs) -> Result<Exit> {
    let bus = Bus::connect(runfile::bus_config(&args.connect, runfile::nats(&args.connect)?, "ottwatch/tail"))
        .await
        .context("cannot use NATS")?;
    let stop = shutdown::on_signals()?;
    let mut tail = bus.tail(&Subject::raw(args.subject.clone())).await?;
    let mut n_left = args.count;
    while n_left != Some(0) {
        let message = tokio::select! {
            () = stop.cancelled() => break,
            message = tail.next() => message,
        };
        let Some(message) = message else { anyhow::bail!("the connection to NATS is closed") };
        println!("{}", line(&message, args.output));
        n_left = n_left.map(|n| n - 1);
    }
    Ok(Exit::Ok)
}

/// One message as one line.
pub fn line(message: &Received, output: TailOutput) -> String {
    let body = message.body().unwrap_or_else(|error| format!("(unreadable: {error})"));
    if output == TailOutput::Json {
        return format!("{{\"subject\":\"{}\",\"data\":{body}}}", message.subject);
    }
    let kind = message.header(ow_contracts::envelope::CE_TYPE).unwrap_or_default().to_owned();
    let text = match kind.as_str() {
        IncidentChange::TYPE => message.decode::<IncidentChange>().ok().map(|m| notice(&m.0)),
        ChannelIncident::TYPE => message.decode::<ChannelIncident>().ok().map(|m| notice(&m.0)),
        Verdict::TYPE => message.decode::<Verdict>().ok().map(|v| verdict(&v)),
        Delivery::TYPE => message.decode::<Delivery>().ok().map(|d| delivery(&d)),
        Capture::TYPE => message.decode::<Capture>().ok().map(|c| capture(&c)),
        _ => None,
    };
    text.unwrap_or_else(|| format!("{} {body}", message.subject))
}

/// `16:41:07 RAISE critical INC-7 Demo News: HLS playlist stale: ...`
pub fn notice(n: &Notice) -> String {
    let time = clock(n.at);
    let what = match n.change {
        ChangeKind::Raise => "RAISE ",
        ChangeKind::Update => "UPDATE",
        ChangeKind::Clear => "CLEAR ",
    };
    let rest = match (n.change, n.cleared_at) {
        (ChangeKind::Clear, Some(at)) => {
            let reason = n.clear_reason.as_deref().map(|r| format!(" ({r})")).unwrap_or_default();
            format!("over after {:.0} s{reason}", (at - n.raised_at).secs_f64())
        }
        _ => n.message.clone(),
    };
    let severity = n.severity;
    format!(
        "{time} {what} {severity:<8} {} {}: {} [{} {}]: {rest}",
        n.number, n.channel_name, n.title, n.check, n.subject
    )
}

fn verdict(v: &Verdict) -> String {
    let list: Vec<String> = v.conditions.iter().map(|c| format!("{} {} {}", c.severity, c.check, c.subject)).collect();
    format!("{} {:<8} {} [{}]", clock(v.as_of), v.severity, v.channel, list.join("; "))
}

fn delivery(d: &Delivery) -> String {
    let time = clock(d.at);
    format!(
        "{time} {} {} revision {} to {} ({}): {:?}: {}",
        d.number, d.change, d.revision, d.receiver, d.kind, d.outcome, d.detail
    )
}

fn capture(c: &Capture) -> String {
    let e = &c.exchange;
    let outcome = match e.status() {
        Some(status) => status.to_string(),
        None => "failed".to_owned(),
    };
    let ms = e.took().secs_f64() * 1e3;
    format!(
        "{} {} {} {:<14} {outcome} {ms:.1} ms {}",
        clock(e.t_end),
        c.channel,
        c.stream,
        c.object.as_str(),
        e.url_without_query()
    )
}

/// The time of day, UTC.
fn clock(time: Time) -> String {
    let text = time.to_string();
    text.get(11..19).unwrap_or(&text).to_owned()
}
