//! Keys that were asked for lately: one that works says nothing of another that does not.

use std::collections::BTreeMap;

use ow_domain::capture::{Capture, ObjectKind};
use ow_domain::{Span, Time};
use serde::{Deserialize, Serialize};

const MAX_KEYS: usize = 32;
/// A key in use is asked for once a minute: one that was not for so long is out of use.
const OUT_OF_USE: Span = Span::from_secs(150);

/// By hash of the URL without query.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyMemory(BTreeMap<u64, KeyState>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct KeyState {
    at: Time,
    works: bool,
}

impl KeyMemory {
    /// Remembers whether the key of `capture` works; true when another one that is in use does not.
    pub(crate) fn remember(&mut self, capture: &Capture, works: bool) -> bool {
        if capture.object != ObjectKind::Key {
            return false;
        }
        let now = capture.exchange.t_end;
        let this = crate::judge::route::short_hash(&capture.exchange.url_without_query());
        self.0.retain(|key, state| *key != this && now - state.at < OUT_OF_USE);
        let other_fails = self.0.values().any(|state| !state.works);
        if self.0.len() < MAX_KEYS {
            self.0.insert(this, KeyState { at: now, works });
        }
        other_fails
    }
}
