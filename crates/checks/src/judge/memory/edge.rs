//! How far the newest content of a stream is behind the clock, over the last refreshes.

use std::collections::VecDeque;

use ow_domain::{Span, Time};
use serde::{Deserialize, Serialize};

const MAX_SAMPLES: usize = 64;

/// Latency of the live edge each time something new was seen: a saw-tooth, of which the lowest point counts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct EdgeMemory {
    samples: VecDeque<(Time, Span)>,
}

impl EdgeMemory {
    pub fn grew(&mut self, at: Time, latency: Span) {
        if self.samples.len() == MAX_SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back((at, latency));
    }

    /// The least latency within `span` before now; `None` when nothing new was seen in it.
    pub fn least(&self, span: Span, now: Time) -> Option<Span> {
        self.samples.iter().filter(|(at, _)| now - *at <= span).map(|(_, latency)| *latency).min()
    }
}
