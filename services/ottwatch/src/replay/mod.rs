//! `ottwatch replay`: recorded captures judged again, by the validator's own code.

mod policy;
mod print;
mod source;

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use ow_bus::{Bucket, Bus, StreamName};
use ow_contracts::{Recorded, Subject};
use ow_domain::policy::ChannelPolicy;
use ow_domain::verdict::{Position, Verdict};
use ow_domain::{ChannelId, Partition, Span, Time};
use ow_service::Exit;
use ow_validator::replay::{
    AlarmLog, Comparison, Difference, FixedPolicies, MAX_PUBLISHED, Replayer, Summary, differences, fact_of, verdicts,
};

use crate::cli::ReplayArgs;
use crate::{runfile, when};
use print::{Done, Printer};
use source::Source;

/// When a fact was judged, its verdict was published within this.
const SOON: Span = Span::from_secs(60);

/// What is asked of the recording.
struct Range {
    from: Time,
    to: Time,
    channel: Option<ChannelId>,
}

pub async fn main(args: &ReplayArgs) -> Result<Exit> {
    let now = when::now();
    let channel = match args.channel.as_deref().map(ChannelId::new).transpose() {
        Ok(channel) => channel,
        Err(error) => {
            eprintln!("--channel: {error}");
            return Ok(Exit::Usage);
        }
    };
    let range = Range {
        from: args.from.map_or(Time::UNIX_EPOCH, |from| from.time(now)),
        to: args.to.map_or(Time::from_unix_micros(i64::MAX), |to| to.time(now)),
        channel,
    };
    if range.from >= range.to {
        eprintln!("--from {} is not before --to {}", range.from, range.to);
        return Ok(Exit::Usage);
    }
    let Opened { source, policies: recorded, begins, comparison } = match &args.bundle {
        Some(path) => {
            let (source, policy) = Source::bundle(path)?;
            if let Some(wanted) = range.channel.as_ref().filter(|wanted| **wanted != policy.channel) {
                eprintln!("the bundle is of channel {}, not of {wanted}", policy.channel);
                return Ok(Exit::Usage);
            }
            Opened { source, policies: vec![policy], begins: BTreeMap::new(), comparison: None }
        }
        None => open_stream(args, &range).await?,
    };
    let other = match &args.policy {
        None => None,
        Some(path) => match policy::read(path, &recorded) {
            Ok(policies) => Some(policies),
            Err(problems) => {
                for problem in problems {
                    eprintln!("{problem}");
                }
                return Ok(Exit::Usage);
            }
        },
    };
    let out = Printer::new(BufWriter::new(std::io::stdout().lock()), args.json, args.changes);
    let a = Replayer::new(FixedPolicies::beginning(recorded, begins.clone()));
    let b = other.map(|policies| Replayer::new(FixedPolicies::beginning(policies, begins)));
    let run = Run { a, b, comparison, range, out, alarms: Default::default(), done: Done::default() };
    run.all(source).await
}

/// What is to be judged.
struct Opened {
    source: Source,
    policies: Vec<ChannelPolicy>,
    /// Channels that were not watched before the fact of this sequence.
    begins: BTreeMap<ChannelId, u64>,
    comparison: Option<Comparison>,
}

/// The captures of the range and before it, the policies in force, and what was published.
async fn open_stream(args: &ReplayArgs, range: &Range) -> Result<Opened> {
    let bus = runfile::bus_config(&args.connect, runfile::nats(&args.connect)?, "ottwatch/replay");
    let bus = Bus::connect(bus).await.context("cannot use NATS")?;
    let policies = bus.kv::<ChannelPolicy>(Bucket::Config);
    let policies: Vec<ChannelPolicy> = match &range.channel {
        Some(channel) => policies.get(channel.as_str()).await?.into_iter().map(|entry| entry.value).collect(),
        None => policies.entries(">").await?.into_iter().map(|entry| entry.value).collect(),
    };
    if policies.is_empty() {
        let of = range.channel.as_ref().map_or_else(|| "any channel".to_owned(), |c| format!("channel {c}"));
        bail!("there is no policy of {of}: apply its document, or name another with --channel");
    }
    let (facts, said) = match &range.channel {
        Some(channel) => (Subject::captures_of(Partition::of(channel)), Subject::verdict(channel)),
        None => (Subject::raw("capture.>"), Subject::raw("verdict.>")),
    };
    let start = range.from - Span::from_std(args.warm_up.0);
    let mut comparison = Some(Comparison::new(range.from));
    let mut first: BTreeMap<ChannelId, (Time, u64)> = BTreeMap::new();
    let mut published = bus.recorded(StreamName::Verdicts, &said, start).await?;
    while let Some(message) = published.next().await? {
        if message.stored_at > range.to + SOON {
            break;
        }
        let Ok(verdict) = message.decode::<Verdict>() else { continue };
        first.entry(verdict.channel.clone()).or_insert((message.stored_at, verdict.position.seq));
        let is_in = verdict.as_of >= range.from && verdict.as_of <= range.to;
        if is_in && comparison.as_mut().is_some_and(|c| !c.published(verdict)) {
            eprintln!(
                "more than {MAX_PUBLISHED} verdicts were published: nothing is compared; take a shorter range or one channel"
            );
            comparison = None;
            break;
        }
    }
    // A verdict comes at least once a minute: before a longer silence the channel was not watched yet.
    first.retain(|_, (at, _)| *at - start > SOON + SOON);
    let begins = first.into_iter().map(|(channel, (_, seq))| (channel, seq)).collect();
    let source = Source::stream(&bus, &facts, start).await?;
    Ok(Opened { source, policies, begins, comparison })
}

/// One pass over the facts.
struct Run<W: Write> {
    a: Replayer,
    b: Option<Replayer>,
    comparison: Option<Comparison>,
    range: Range,
    out: Printer<W>,
    alarms: (AlarmLog, AlarmLog),
    done: Done,
}

impl<W: Write> Run<W> {
    async fn all(mut self, mut source: Source) -> Result<Exit> {
        let start = Instant::now();
        self.out.head(self.b.is_some())?;
        while let Some((fact, stored_at, position)) = source.next().await? {
            if stored_at > self.range.to {
                break;
            }
            self.one(&fact, stored_at, position)?;
        }
        self.done.took = start.elapsed();
        if self.done.captures == 0 {
            bail!("nothing is recorded in this range");
        }
        if !source.is_whole() {
            eprintln!("the bundle was cut: judged is what it holds");
        }
        let mut differ = false;
        if self.b.is_some() {
            let found = differences(&self.alarms.0.finish(), &self.alarms.1.finish());
            // What was over before the range is of nobody's interest.
            let found: Vec<_> = found.into_iter().filter(|d| d.is_after(self.range.from)).collect();
            differ |= !found.is_empty();
            self.out.alarm_differences(&found)?;
        }
        let summary = self.comparison.map(Comparison::finish);
        differ |= summary.as_ref().is_some_and(|summary: &Summary| !summary.is_equal());
        self.out.end(&self.done, summary)?;
        Ok(if differ { Exit::Warning } else { Exit::Ok })
    }

    fn one(&mut self, fact: &Recorded, stored_at: Time, position: Position) -> Result<()> {
        match fact {
            Recorded::Capture(_) => self.done.captures += 1,
            Recorded::Tick(_) => self.done.ticks += 1,
        }
        // What the validator refused then is refused now.
        let Ok(step) = self.a.judge(fact_of(fact, stored_at), position) else {
            self.done.refused += 1;
            return Ok(());
        };
        for verdict in verdicts(&step) {
            self.alarms.0.take(verdict);
            if verdict.as_of >= self.range.from && verdict.as_of <= self.range.to {
                self.done.verdicts += 1;
                if self.b.is_none() {
                    self.out.verdict(verdict, step.changed.contains(&verdict.channel))?;
                }
            }
        }
        if let Some(comparison) = &mut self.comparison {
            let found: Vec<Difference> = comparison.after(&self.a, &step, position);
            for difference in &found {
                self.out.difference(difference)?;
            }
        }
        if let Some(other) = &mut self.b
            && let Ok(step) = other.judge(fact_of(fact, stored_at), position)
        {
            verdicts(&step).for_each(|verdict| self.alarms.1.take(verdict));
        }
        Ok(())
    }
}
