//! Segments by path, so that what HLS and DASH share can be compared.

use std::collections::VecDeque;

use ow_domain::capture::{Capture, ObjectKind, Outcome};
use ow_domain::{Span, Time};
use serde::{Deserialize, Serialize};

use crate::judge::short_hash;

const MAX_OBJECTS: usize = 128;
/// Later the same path may hold something else.
const FRESH: Span = Span::from_secs(60);

/// The segments of a stream that came last.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SeenObjects {
    list: VecDeque<SeenObject>,
}

/// A whole segment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct SeenObject {
    /// Of host name, path and byte range, as a hash.
    place: u64,
    digest: u64,
    /// Samples of the main stream.
    payload: Option<u64>,
    pub at: Time,
}

impl SeenObject {
    /// `None` unless it came whole, with its digest.
    pub fn of(capture: &Capture) -> Option<Self> {
        let Outcome::Response(response) = &capture.exchange.outcome else { return None };
        let promised = capture.promised.as_ref().filter(|p| p.removed.is_none())?;
        let is_whole = response.status == 200 || promised.byte_range.is_some();
        if capture.object != ObjectKind::Segment || !is_whole || !capture.exchange.is_complete_success() {
            return None;
        }
        let main = capture.facts.as_ref().and_then(|f| f.main());
        let url = capture.exchange.url_without_query();
        let place = url.split_once("://").map_or(url.as_str(), |(_, place)| place);
        Some(Self {
            place: short_hash(&format!("{place} {:?}", promised.byte_range)),
            digest: short_hash(response.digest.as_deref()?),
            payload: main.and_then(|m| u64::from_str_radix(m.payload_digest.as_deref()?, 16).ok()),
            at: capture.exchange.t_end,
        })
    }

    /// Boxes may have been added on the way: then the samples count.
    pub fn is_same(&self, other: &Self) -> Option<bool> {
        if self.digest == other.digest {
            return Some(true);
        }
        Some(self.payload? == other.payload?)
    }
}

impl SeenObjects {
    pub fn find(&self, wanted: &SeenObject) -> Option<&SeenObject> {
        self.list.iter().rev().find(|o| o.place == wanted.place && wanted.at - o.at <= FRESH)
    }

    pub fn remember(&mut self, object: SeenObject) {
        self.list.retain(|o| o.place != object.place);
        if self.list.len() == MAX_OBJECTS {
            self.list.pop_front();
        }
        self.list.push_back(object);
    }
}
