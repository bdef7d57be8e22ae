//! Idle connections by target. Ours, because a general pool may open a spare connection or hand a request over late,
//! and then timings cannot be told apart.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::connect::{Connection, Target};

/// Bounds of the pool: beyond them the connection given back is closed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolLimits {
    pub per_target: usize,
    pub total: usize,
    pub idle: Duration,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

#[derive(Default)]
struct Shelves {
    by_target: HashMap<Target, Vec<Idle>>,
    total: usize,
}

pub(crate) struct Pool {
    limits: PoolLimits,
    shelves: Mutex<Shelves>,
}

impl Pool {
    pub(crate) fn new(limits: PoolLimits) -> Self {
        Self { limits, shelves: Mutex::default() }
    }

    /// The connection used last that still seems alive.
    pub(crate) fn take(&self, target: &Target) -> Option<Connection> {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let Shelves { by_target, total } = &mut *shelves;
        let shelf = by_target.get_mut(target)?;
        let mut taken = None;
        while let Some(idle) = shelf.pop() {
            *total -= 1;
            if idle.since.elapsed() < self.limits.idle && idle.connection.sender.is_ready() {
                taken = Some(idle.connection);
                break;
            }
        }
        if shelf.is_empty() {
            by_target.remove(target);
        }
        taken
    }

    pub(crate) fn put(&self, target: Target, connection: Connection) {
        if connection.sender.is_closed() {
            return;
        }
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let Shelves { by_target, total } = &mut *shelves;
        if *total >= self.limits.total {
            let idle = self.limits.idle;
            by_target.retain(|_, shelf| {
                shelf.retain(|i| i.since.elapsed() < idle && !i.connection.sender.is_closed());
                !shelf.is_empty()
            });
            *total = by_target.values().map(Vec::len).sum();
            if *total >= self.limits.total {
                return;
            }
        }
        let shelf = by_target.entry(target).or_default();
        if shelf.len() < self.limits.per_target {
            shelf.push(Idle { connection, since: Instant::now() });
            *total += 1;
        }
    }

    /// Closes connections that waited too long; to be called now and then.
    pub(crate) fn sweep(&self) {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = self.limits.idle;
        shelves.by_target.retain(|_, shelf| {
            shelf.retain(|i| i.since.elapsed() < idle && !i.connection.sender.is_closed());
            !shelf.is_empty()
        });
        shelves.total = shelves.by_target.values().map(Vec::len).sum();
    }
}
