//! Segments that are followed until they leave the playlist, to look whether they are still there (RFC 8216 6.2.2).

use std::collections::VecDeque;

use ow_domain::capture::Removed;
use ow_domain::{Span, Time};
use ow_hls::{ByteRange, MediaPlaylist};
use serde::{Deserialize, Serialize};

use super::{Polled, RemovedSegment};
use crate::SegmentKey;

/// One segment in so long is followed (`expiry_probe_s`).
const EVERY: Span = Span::from_secs(300);
/// A window of hours: those followed first are dropped.
const MAX_FOLLOWED: usize = 32;
/// Seen in two answers further apart than this: when it left is not known well enough.
const MAX_GAP: Span = Span::from_secs(30);

/// The segments of one rendition that are followed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ExpiryWatch {
    followed: VecDeque<Followed>,
    last_pick: Option<Time>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Followed {
    msn: u64,
    key: SegmentKey,
    uri: Box<str>,
    base: Box<str>,
    byte_range: Option<ByteRange>,
    duration_us: i64,
    removed: Removed,
}

impl ExpiryWatch {
    /// Another timeline began, or the old one ended.
    pub fn forget(&mut self) {
        self.followed.clear();
    }

    /// Takes a playlist of the same timeline in; `grew`: its newest segment was not listed before. Gives a segment that left.
    pub fn on_playlist(&mut self, polled: &Polled<'_>, keys: &[SegmentKey], grew: bool) -> Option<RemovedSegment> {
        let playlist = polled.playlist;
        let first = playlist.segments.first()?.msn;
        let window_us = window_us(playlist);
        let place = |msn: u64| usize::try_from(msn.checked_sub(first)?).ok();
        // Another segment under its number is told elsewhere.
        self.followed.retain(|f| place(f.msn).and_then(|at| keys.get(at)).is_none_or(|key| *key == f.key));
        let mut gone = None;
        self.followed.retain_mut(|f| {
            let is_listed = place(f.msn).is_some_and(|at| at < keys.len());
            if is_listed {
                f.removed.last_listed_at = polled.t_req;
                f.removed.window_us = f.removed.window_us.max(window_us);
            } else if f.msn < first && polled.t_req - f.removed.last_listed_at <= MAX_GAP {
                gone = Some(RemovedSegment {
                    msn: f.msn,
                    uri: f.uri.clone(),
                    base: f.base.clone(),
                    byte_range: f.byte_range,
                    duration_us: f.duration_us,
                    removed: f.removed,
                });
            }
            is_listed
        });
        let due = self.last_pick.is_none_or(|at| polled.t_req - at >= EVERY);
        if let (Some(newest), Some(key), true) = (playlist.segments.last(), keys.last(), due && grew)
            && newest.gap.is_none()
        {
            self.last_pick = Some(polled.t_req);
            if self.followed.len() == MAX_FOLLOWED {
                self.followed.pop_front();
            }
            self.followed.push_back(Followed {
                msn: newest.msn,
                key: *key,
                uri: newest.uri.clone(),
                base: polled.final_url.into(),
                byte_range: newest.byte_range,
                duration_us: newest.duration_us,
                removed: Removed { first_listed_at: polled.t_end, last_listed_at: polled.t_req, window_us },
            });
        }
        gone
    }
}

fn window_us(playlist: &MediaPlaylist) -> i64 {
    playlist.segments.iter().fold(0_i64, |sum, s| sum.saturating_add(s.duration_us))
}
