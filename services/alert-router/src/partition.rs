//! The verdicts of one partition, in order, while this replica owns it.

use ow_bus::{Outcome, PartitionHandler, PartitionReader, Received};
use ow_domain::verdict::Verdict;

use crate::acting::{Acting, Cache};

#[derive(Debug)]
pub struct PartitionRouter {
    acting: Acting,
    cache: Cache,
}

impl PartitionRouter {
    pub fn new(acting: Acting) -> Self {
        Self { acting, cache: Cache::new() }
    }
}

impl PartitionHandler for PartitionRouter {
    async fn acquired(&mut self, _reader: &PartitionReader) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        // All state is in Postgres; what we remember of an earlier time of owning is old.
        self.cache.clear();
        Ok(())
    }

    async fn handle(&mut self, message: &Received) -> Outcome {
        match message.decode::<Verdict>() {
            Ok(verdict) => self.acting.act(&verdict, &mut self.cache).await,
            Err(error) => error.into(),
        }
    }

    async fn released(&mut self) {
        self.cache.clear();
    }
}
