//! What no verdict tells: acknowledgements and shelves run out, silences and maintenance windows begin and end.
//!
//! Every router looks at all channels. Two that see the same do it once: the second is overtaken and then finds nothing
//! left to do.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use ow_alerting::Mutes;
use ow_domain::ChannelId;
use ow_domain::incident::{IncidentNumber, Notice};
use ow_domain::operation::SuppressionKind;
use ow_store::StoreError;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::acting::Acting;
use crate::routes::CurrentRules;

const INTERVAL: Duration = Duration::from_secs(1);
/// Notices read at a time.
const PAGE: u32 = 1000;
/// Channels looked at side by side; fewer than there are connections.
const N_SIDE_BY_SIDE: usize = 3;

#[derive(Debug)]
pub struct Sweeper {
    acting: Acting,
    rules: CurrentRules,
    /// For these every open alarm is as it should be.
    swept: Option<Mutes>,
}

impl Sweeper {
    pub fn new(acting: Acting, rules: CurrentRules) -> Self {
        Self { acting, rules, swept: None }
    }

    pub async fn run(mut self, stop: &CancellationToken) {
        let mut every = tokio::time::interval(INTERVAL);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = every.tick() => {}
                changed = self.rules.changed() => if changed.is_err() { return },
            }
            let swept = tokio::select! {
                // Each channel is one transaction: nothing is left half done.
                () = stop.cancelled() => return,
                swept = self.sweep() => swept,
            };
            if let Err(error) = swept {
                tracing::warn!(error = %error.chain(), "what runs out was not looked at and will be again");
            }
        }
    }

    async fn sweep(&mut self) -> Result<(), StoreError> {
        let Some(rules) = self.rules.borrow_and_update().clone() else { return Ok(()) };
        let mut channels: BTreeSet<ChannelId> =
            self.acting.store.channels_due(crate::now()).await?.into_iter().collect();
        let all = self.swept.as_ref() != Some(&rules.mutes);
        if all {
            channels.extend(self.concerned(&rules.mutes).await?);
        }
        let acting = Arc::new(self.acting.clone());
        let results: Vec<Result<bool, StoreError>> = stream::iter(channels)
            .map(|channel| {
                let acting = acting.clone();
                async move { acting.reassess(&channel).await }
            })
            .buffer_unordered(N_SIDE_BY_SIDE)
            .collect()
            .await;
        let mut done = true;
        for result in results {
            done &= result?;
        }
        if done && all {
            self.swept = Some(rules.mutes.clone());
        }
        Ok(())
    }

    /// Channels with an alarm that is hidden and should not be, or the other way round.
    async fn concerned(&self, mutes: &Mutes) -> Result<Vec<ChannelId>, StoreError> {
        let mut channels = Vec::new();
        let mut after = IncidentNumber(0);
        loop {
            let page = self.acting.store.open_notices(after, PAGE).await?;
            channels.extend(page.iter().filter(|n| is_concerned(n, mutes)).map(|n| n.channel.clone()));
            match page.last() {
                Some(last) if page.len() == PAGE as usize => after = last.number,
                _ => return Ok(channels),
            }
        }
    }
}

fn is_concerned(notice: &Notice, mutes: &Mutes) -> bool {
    let shown = notice.suppressed.iter().filter(|s| s.kind != SuppressionKind::Shelved);
    !shown.eq(mutes.of(notice).iter())
}
