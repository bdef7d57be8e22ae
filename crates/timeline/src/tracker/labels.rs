//! Texts of MAP and KEY for evidence: records hold only their identity.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::view::View;

/// Texts of MAP and KEY kept for evidence.
const MAX_LABELS: usize = 64;

/// Texts behind the identities of MAP and KEY, newest last.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Labels(VecDeque<(u64, Box<str>)>);

impl Labels {
    pub fn learn(&mut self, view: &View<'_>) {
        let mut last = (0, 0);
        for item in &view.items {
            if item.map != last.0 && item.map != 0 && self.get(item.map).is_none() {
                let text = item.segment.map.as_ref().map_or("", |map| &*map.uri);
                self.push(item.map, text.into());
            }
            if item.keys != last.1 && item.keys != 0 && self.get(item.keys).is_none() {
                let keys = item.segment.keys.as_deref().unwrap_or(&[]);
                let one = |key: &ow_hls::Key| format!("{} {}", key.method.as_str(), key.uri.as_deref().unwrap_or(""));
                self.push(item.keys, keys.iter().map(one).collect::<Vec<_>>().join(", ").into());
            }
            last = (item.map, item.keys);
        }
    }

    fn push(&mut self, identity: u64, text: Box<str>) {
        self.0.push_back((identity, text));
        if self.0.len() > MAX_LABELS {
            self.0.pop_front();
        }
    }

    pub fn get(&self, identity: u64) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| *known == identity).map(|(_, text)| &**text)
    }

    /// `none` for 0, empty when forgotten.
    pub fn text(&self, identity: u64) -> Box<str> {
        if identity == 0 { "none".into() } else { self.get(identity).unwrap_or("").into() }
    }
}
