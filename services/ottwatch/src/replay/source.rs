//! Where facts come from: a bundle, or the stream of captures.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use ow_bus::{Bus, Recording, StreamName};
use ow_contracts::bundle::Reader;
use ow_contracts::{Recorded, Subject};
use ow_domain::Time;
use ow_domain::policy::ChannelPolicy;
use ow_domain::verdict::Position;

pub enum Source {
    /// Positions count the facts.
    Bundle { reader: Box<Reader<File>>, seq: u64 },
    /// Positions are those of the stream.
    Stream { recording: Box<Recording>, epoch: i64 },
}

impl Source {
    /// Opens a bundle and gives the policy in it.
    pub fn bundle(path: &Path) -> Result<(Self, ChannelPolicy)> {
        let shown = path.display();
        let file = File::open(path).with_context(|| format!("cannot open {shown}"))?;
        let reader = Reader::new(file).with_context(|| format!("cannot use {shown}"))?;
        let policy = reader.header().policy.clone();
        Ok((Self::Bundle { reader: Box::new(reader), seq: 0 }, policy))
    }

    /// What the stream holds now, from `start` on.
    pub async fn stream(bus: &Bus, facts: &Subject, start: Time) -> Result<Self> {
        let epoch = bus.epoch(StreamName::Captures).await?;
        let recording = bus.recorded(StreamName::Captures, facts, start).await?;
        Ok(Self::Stream { recording: Box::new(recording), epoch })
    }

    /// The next fact, when it was stored, and its place.
    pub async fn next(&mut self) -> Result<Option<(Recorded, Time, Position)>> {
        match self {
            Self::Bundle { reader, seq } => {
                let Some(fact) = reader.next()? else { return Ok(None) };
                *seq += 1;
                let at = fact.at();
                Ok(Some((fact, at, Position { epoch: 0, seq: *seq })))
            }
            Self::Stream { recording, epoch } => loop {
                let Some(message) = recording.next().await? else { return Ok(None) };
                let position = Position { epoch: *epoch, seq: message.seq };
                match message.recorded() {
                    Ok(fact) => return Ok(Some((fact, message.stored_at, position))),
                    // It is in the dead letters.
                    Err(error) => tracing::warn!(%error, seq = message.seq, "a message cannot be read"),
                }
            },
        }
    }

    /// Whether all that was recorded was there to be read.
    pub fn is_whole(&self) -> bool {
        match self {
            Self::Bundle { reader, .. } => reader.is_whole(),
            Self::Stream { .. } => true,
        }
    }
}
