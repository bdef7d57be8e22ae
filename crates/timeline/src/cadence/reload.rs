//! Blocking playlist reload of one rendition (draft-pantos-hls-rfc8216bis 6.2.5.2).

use ow_domain::capture::BlockingReload;
use ow_domain::{Span, Time};
use ow_hls::MediaPlaylist;
use serde::{Deserialize, Serialize};

/// Never faster than this, whatever a playlist says.
const MIN_SPACING: Span = Span::from_millis(100);
/// Every so many requests one waits for a whole segment: servers get that form wrong by itself.
const WHOLE_EVERY: u32 = 24;
/// It begins where a segment begins, but not later than after so many requests.
const WHOLE_AT_LATEST: u32 = 48;
/// In doubt it is asked for sooner, until it worked so often.
const WHOLE_IN_DOUBT: u32 = 6;
const DOUBT: u8 = 3;
/// Every so many requests one asks for a delta update, where there is something to skip.
const SKIP_EVERY: u32 = 30;
/// After so many failures in a row it is tried again only from time to time.
const MANY_ERRORS: u32 = 3;
const RETRY_AFTER: Span = Span::from_secs(30);

/// The edge of a rendition whose server can hold back an answer, and when to ask for more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reload {
    /// The first part that is not listed.
    msn: u64,
    part: u32,
    /// Not earlier than this. `None`: after the next plain request.
    due: Option<Time>,
    /// After failures, not earlier than this.
    retry_at: Option<Time>,
    n_errors: u32,
    /// Requests since the last one for a whole segment.
    n_parts: u32,
    /// Answers to whole segments to come until they are believed again.
    #[serde(default)]
    doubt: u8,
    /// Requests since the last one for a delta update.
    #[serde(default)]
    n_whole_lists: u32,
    /// A delta update would leave something out.
    #[serde(default)]
    can_skip: bool,
}

impl Reload {
    pub const fn due(&self) -> Option<Time> {
        self.due
    }

    /// What to ask for next.
    pub fn ask(&mut self) -> BlockingReload {
        self.n_parts = self.n_parts.saturating_add(1);
        let (every, latest) =
            if self.doubt > 0 { (WHOLE_IN_DOUBT, 2 * WHOLE_IN_DOUBT) } else { (WHOLE_EVERY, WHOLE_AT_LATEST) };
        let whole = self.n_parts >= every && (self.part == 0 || self.n_parts >= latest);
        if whole {
            self.n_parts = 0;
        }
        self.n_whole_lists = self.n_whole_lists.saturating_add(1);
        let skip = self.can_skip && !whole && self.n_whole_lists >= SKIP_EVERY;
        if skip {
            self.n_whole_lists = 0;
        }
        BlockingReload { msn: self.msn, part: (!whole).then_some(self.part), skip }
    }

    /// A request came to nothing: the next one is plain.
    pub fn failed(&mut self, t_end: Time) {
        self.n_errors = self.n_errors.saturating_add(1);
        self.due = None;
        self.retry_at = Some(if self.n_errors >= MANY_ERRORS { t_end + RETRY_AFTER } else { t_end });
    }

    /// A plain request worked.
    pub fn again(&mut self, t_end: Time) {
        self.due = Some(t_end).filter(|_| self.retry_at.is_none_or(|at| at <= t_end));
    }

    /// The next request is plain.
    pub fn hold(&mut self) {
        self.due = None;
    }
}

/// The state after a playlist; `None` where blocking reload is not to be had. `asked` is what this answer was to wait
/// for.
pub(super) fn after(
    before: Option<Reload>,
    playlist: &MediaPlaylist,
    asked: Option<BlockingReload>,
    (t_req, t_end): (Time, Time),
) -> Option<Reload> {
    let part_target = Span::from_micros(playlist.part_inf?.part_target_us);
    let can_block = playlist.server_control.as_ref().is_some_and(|control| control.can_block_reload);
    let has_parts = playlist.parts().next().is_some();
    if !can_block || !has_parts || playlist.end_list.is_some() {
        return None;
    }
    let (msn, part) = edge(playlist);
    let fresh = Reload {
        msn,
        part,
        due: None,
        retry_at: None,
        n_errors: 0,
        n_parts: 0,
        doubt: 0,
        n_whole_lists: 0,
        can_skip: false,
    };
    let skip_until = playlist.server_control.as_ref().and_then(|control| control.can_skip_until_us);
    let can_skip =
        skip_until.is_some_and(|until| playlist.window_us() > until.saturating_add(playlist.target_duration_us()));
    let mut next = Reload { msn, part, can_skip, ..before.unwrap_or(fresh) };
    if asked.is_some_and(|asked| asked.part.is_none()) {
        let worked = asked.is_some_and(|asked| reaches(playlist, asked));
        next.doubt = if worked { next.doubt.saturating_sub(1) } else { DOUBT };
    }
    match asked {
        Some(asked) if !reaches(playlist, asked) => next.failed(t_end),
        Some(_) => {
            next.n_errors = 0;
            next.retry_at = None;
            next.due = Some(t_end.max(t_req + MIN_SPACING.max(part_target.mul_ratio(1, 2))));
        }
        None => next.again(t_end),
    }
    Some(next)
}

/// Segment and place of the first part that is not listed yet.
fn edge(playlist: &MediaPlaylist) -> (u64, u32) {
    let next = playlist.last_msn().map_or(playlist.first_msn(), |last| last.saturating_add(1));
    (next, u32::try_from(playlist.trailing_parts.len()).unwrap_or(u32::MAX))
}

/// Whether a playlist holds what was waited for, or more.
pub fn reaches(playlist: &MediaPlaylist, asked: BlockingReload) -> bool {
    let (msn, n_parts) = edge(playlist);
    match asked.part {
        None => asked.msn < msn,
        // A place behind the last part of a segment is the first of the next (6.2.5.2).
        Some(part) => {
            asked.msn < msn && (part == 0 || !is_behind_end(playlist, asked.msn, part, n_parts))
                || asked.msn == msn && part < n_parts
        }
    }
}

/// The segment is complete with fewer parts, and nothing of the next one is there.
fn is_behind_end(playlist: &MediaPlaylist, msn: u64, part: u32, n_next: u32) -> bool {
    let newest = playlist.segments.last();
    newest.is_some_and(|s| s.msn == msn && s.parts.len() <= part as usize && !s.parts.is_empty()) && n_next == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CadenceSettings, ChannelPlan, KeyRules, PollFailure, Polled};

    fn at(ms: i64) -> Time {
        Time::UNIX_EPOCH + Span::from_millis(ms)
    }

    /// Segments of 2 s up to `last`, the newest ones with 4 parts, and `n` parts of the next.
    fn playlist(last: u64, n: usize, more: &str) -> MediaPlaylist {
        let mut text = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-PART-INF:PART-TARGET=0.5\n".to_owned();
        text += &format!(
            "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.5\n#EXT-X-MEDIA-SEQUENCE:{}\n",
            last - 5
        );
        for msn in last - 5..=last {
            for i in 0..4 {
                text += &format!("#EXT-X-PART:DURATION=0.5,URI=\"p{msn}.{i}.mp4\"\n");
            }
            text += &format!("#EXTINF:2.0,\ns{msn}.mp4\n");
        }
        for i in 0..n {
            text += &format!("#EXT-X-PART:DURATION=0.5,URI=\"p{}.{i}.mp4\"\n", last + 1);
        }
        text += more;
        let ow_hls::Playlist::Media(media) = ow_hls::parse(text.as_bytes(), ow_hls::Variables::default()).0 else {
            panic!("{text}")
        };
        *media
    }

    fn ask(msn: u64, part: impl Into<Option<u32>>) -> BlockingReload {
        BlockingReload { msn, part: part.into(), skip: false }
    }

    #[test]
    fn an_answer_reaches_what_it_was_asked_for_or_not() {
        for (last, n, asked, expected) in [
            (105, 2, ask(106, 1), true),
            (105, 2, ask(106, 2), false),
            (105, 0, ask(105, 3), true),
            (105, 0, ask(105, 4), false),
            (105, 1, ask(105, 4), true),
            (105, 4, ask(106, None), false),
            (106, 0, ask(106, None), true),
            (105, 0, ask(106, 0), false),
            (107, 0, ask(106, 9), true),
        ] {
            assert_eq!(reaches(&playlist(last, n, ""), asked), expected, "{last} and {n} parts for {asked:?}");
        }
    }

    struct Plan(ChannelPlan);

    impl Plan {
        fn new(names: &[&str]) -> Self {
            let mut plan = ChannelPlan::new("c", at(0), CadenceSettings::default(), KeyRules::default());
            plan.on_mvp(at(0));
            plan.set_renditions(at(0), names.iter().copied());
            Self(plan)
        }
        /// What is asked at `ms`: plain, and waiting.
        fn due(&mut self, ms: i64) -> (Vec<String>, Vec<(String, BlockingReload)>) {
            let burst = self.0.take_due(at(ms));
            let plain = burst.renditions.iter().map(|name| name.to_string()).collect();
            (plain, burst.reloads.into_iter().map(|(name, ask)| (name.into(), ask)).collect())
        }
        fn answer(&mut self, name: &str, from: i64, to: i64, playlist: &MediaPlaylist) {
            self.0.on_playlist(name, Polled { t_req: at(from), t_end: at(to), final_url: "http://h/v.m3u8", playlist });
        }
        /// Rounded up.
        fn wake_ms(&self) -> i64 {
            (self.0.next_wakeup().expect("something is due").unix_micros() + 999) / 1000
        }
    }

    #[test]
    fn the_edge_is_waited_for_part_by_part() {
        let mut plan = Plan::new(&["v"]);
        assert_eq!(plan.due(0), (vec!["v".into()], vec![]));
        assert_eq!(plan.due(5), (vec![], vec![]), "one request under way");
        plan.answer("v", 0, 20, &playlist(105, 2, ""));
        assert_eq!(plan.wake_ms(), 20);
        assert_eq!(plan.due(20), (vec![], vec![("v".into(), ask(106, 2))]));
        assert_eq!(plan.due(5_000), (vec![], vec![]), "never two at a time");
        plan.answer("v", 20, 420, &playlist(105, 3, ""));
        assert_eq!(plan.due(420), (vec![], vec![("v".into(), ask(106, 3))]));
        plan.answer("v", 420, 430, &playlist(106, 0, ""));
        assert_eq!(plan.wake_ms(), 670, "half a part at least from request to request");
        assert_eq!(plan.due(670), (vec![], vec![("v".into(), ask(107, 0))]));
        plan.answer("v", 670, 900, &playlist(107, 0, "#EXT-X-ENDLIST\n"));
        assert!(plan.wake_ms() > 50_000, "after the end there is nothing to wait for");
    }

    #[test]
    fn an_answer_that_did_not_wait_is_followed_by_a_plain_request() {
        let mut plan = Plan::new(&["v"]);
        plan.due(0);
        plan.answer("v", 0, 20, &playlist(105, 2, ""));
        let mut now = 20;
        for n in 1..=4 {
            let (plain, reloads) = plan.due(now);
            assert_eq!((plain.len(), reloads.len()), (0, 1), "try {n}");
            plan.answer("v", now, now + 10, &playlist(105, 2, ""));
            let wake = plan.wake_ms();
            assert!((1_000..=1_120).contains(&(wake - now)), "half a target duration, not {}", wake - now);
            let (plain, reloads) = plan.due(wake);
            assert_eq!((plain.len(), reloads.len()), (1, 0));
            plan.answer("v", wake, wake + 10, &playlist(105, 2, ""));
            now = plan.wake_ms();
            if n >= 3 {
                assert!(now - wake >= 1_000, "after three failures only now and then");
                return;
            }
            assert_eq!(now, wake + 10);
        }
        panic!("it does not give up");
    }

    #[test]
    fn a_failure_is_followed_by_a_plain_request_soon() {
        let mut plan = Plan::new(&["v"]);
        plan.due(0);
        plan.answer("v", 0, 20, &playlist(105, 2, ""));
        plan.due(20);
        let failure = PollFailure { t_req: at(20), t_end: at(7_020), gone: false, retry_after: None };
        plan.0.on_failure("v", failure);
        assert_eq!(plan.wake_ms(), 7_520);
        assert_eq!(plan.due(7_520), (vec!["v".into()], vec![]));
    }

    #[test]
    fn one_rendition_at_a_time_and_the_others_as_ever() {
        let mut plan = Plan::new(&["a", "b"]);
        assert_eq!(plan.due(0).0.len(), 2);
        plan.answer("a", 0, 20, &playlist(105, 2, ""));
        plan.answer("b", 0, 20, &playlist(105, 2, ""));
        let mut asked = std::collections::BTreeMap::<String, Vec<i64>>::new();
        let mut now = 20;
        while now < 70_000 {
            now = plan.wake_ms().max(now);
            let (plain, reloads) = plan.due(now);
            for name in plain {
                plan.answer(&name, now, now + 10, &at_ms(now + 10));
            }
            for (name, reload) in reloads {
                asked.entry(name.clone()).or_default().push(now);
                let mut end = now + 10;
                while !reaches(&at_ms(end), reload) {
                    end += 10;
                }
                plan.answer(&name, now, end, &at_ms(end));
                now = end;
            }
        }
        let span = |name: &str| (asked[name][0], asked[name].len());
        assert_eq!(span("a").0, 20);
        assert!((30_000..32_000).contains(&span("b").0), "{:?}", span("b"));
        assert!(span("a").1 > 60 && span("b").1 > 50, "{asked:?}");
    }

    /// The playlist as it is at a time: a part each half second.
    fn at_ms(ms: i64) -> MediaPlaylist {
        let n = ms / 500;
        playlist(105 + (n / 4) as u64, (n % 4) as usize, "")
    }

    #[test]
    fn a_whole_segment_is_waited_for_now_and_then() {
        let mut state = after(None, &playlist(105, 0, ""), None, (at(0), at(0))).unwrap();
        let asks: Vec<_> = (0..60).map(|_| state.ask().part).collect();
        assert_eq!(asks.iter().filter(|part| part.is_none()).count(), 2);
        let mut state = after(Some(state), &playlist(105, 0, ""), Some(ask(106, None)), (at(0), at(10))).unwrap();
        let asks: Vec<_> = (0..60).map(|_| state.ask().part).collect();
        assert_eq!(asks.iter().filter(|part| part.is_none()).count(), 10, "more often after one that failed");
    }

    #[test]
    fn a_delta_update_is_asked_for_now_and_then_and_the_whole_after_it() {
        // Six segments of 2 s, and 8 s are not skipped.
        let long = |last, n| {
            let mut long = playlist(last, n, "");
            long.server_control.as_mut().unwrap().can_skip_until_us = Some(8_000_000);
            long
        };
        let mut state = after(None, &long(105, 1), None, (at(0), at(0))).unwrap();
        assert_eq!((0..90).filter(|_| state.ask().skip).count(), 3);
        let mut plan = Plan::new(&["v"]);
        plan.due(0);
        plan.answer("v", 0, 20, &long(105, 2));
        let mut now = 20;
        for n in 1..100 {
            let reload = plan.due(now).1[0].1;
            if reload.skip {
                assert_eq!(n, 30);
                plan.0.on_delta("v", at(now + 100));
                assert_eq!(plan.due(now + 100), (vec!["v".into()], vec![]), "the whole at once");
                plan.answer("v", now + 100, now + 110, &long(105, 3));
                assert_eq!(plan.due(now + 110).1.len(), 1, "and on as before");
                return;
            }
            plan.answer("v", now, now + 300, &long(reload.msn - 1, reload.part.map_or(0, |part| part as usize) + 1));
            now += 300;
        }
        panic!("never asked for");
    }
}
