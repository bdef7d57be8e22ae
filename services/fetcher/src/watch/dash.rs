//! A DASH stream: the MPD, polled by its own period. Its segments are not fetched yet: that needs the MPD reader.

use std::sync::Arc;

use ow_domain::Span;
use ow_domain::capture::ObjectKind;
use ow_domain::job::StreamJob;

use super::budget::Priority;
use super::transfer::{Ask, Channel};

/// Without `minimumUpdatePeriod`: an unexpected change is noticed within this.
const WITHOUT_PERIOD: Span = Span::from_secs(60);
/// `minimumUpdatePeriod="PT0S"`: the stream says that it announces changes inband; segments tell more often.
const PERIOD_ZERO: Span = Span::from_secs(6);

pub(super) async fn run(channel: Arc<Channel>, stream: Arc<StreamJob>) {
    let mut etag: Option<String> = None;
    let mut period = WITHOUT_PERIOD;
    let mut n_errors = 0_u32;
    let mut url = stream.url.clone();
    loop {
        let answer = channel
            .manifest(Ask {
                stream: &stream,
                object: ObjectKind::Mpd,
                track: None,
                promised: None,
                url: url.clone(),
                etag: etag.clone(),
                range: None,
                usual: period.min(Span::from_secs(60)),
                priority: Priority::Entry,
                retry: false,
                extra: false,
            })
            .await;
        let (t_req, t_end) = (answer.exchange.t_req, answer.exchange.t_end);
        let due = match (&answer.text, answer.exchange.status()) {
            (Some(text), _) => {
                n_errors = 0;
                etag = answer.exchange.header("etag").map(Into::into);
                period = update_period(text);
                t_req + period
            }
            (None, Some(304)) => {
                n_errors = 0;
                t_req + period
            }
            // 1 s, then w, w, 2w, 4w, at most 30 s (CHECKS 5.3).
            (None, _) => {
                n_errors = n_errors.saturating_add(1);
                etag = None;
                let wait = match n_errors {
                    1 => Span::from_secs(1),
                    2 | 3 => period,
                    4 => period + period,
                    _ => period.mul_ratio(4, 1),
                };
                t_end + wait.min(Span::from_secs(30))
            }
        };
        url.clone_from(&stream.url);
        channel.sleep_until(due.max(t_end)).await;
        channel.polled(channel.now() - due.max(t_end));
    }
}

/// By the attributes of the root element, read as text: 1 s to 60 s.
fn update_period(mpd: &str) -> Span {
    let Some(root) = mpd.find("<MPD").map(|at| &mpd[at..]) else { return WITHOUT_PERIOD };
    let root = &root[..root.find('>').unwrap_or(root.len())];
    match attribute(root, "minimumUpdatePeriod").and_then(duration) {
        None => WITHOUT_PERIOD,
        Some(Span::ZERO) => attribute(root, "maxSegmentDuration").and_then(duration).unwrap_or(PERIOD_ZERO),
        Some(period) => period,
    }
    .clamp(Span::from_secs(1), Span::from_secs(60))
}

fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let at = element.match_indices(name).map(|(at, _)| at).find(|&at| {
        let before = element[..at].chars().next_back();
        before.is_some_and(char::is_whitespace)
    })?;
    let rest = element[at + name.len()..].trim_start().strip_prefix('=')?.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    rest[1..].split(quote).next()
}

/// `PnDTnHnMnS` (ISO 8601), days and smaller.
fn duration(text: &str) -> Option<Span> {
    let (days, time) = text.trim().strip_prefix('P')?.split_once('T').unwrap_or((&text.trim()[1..], ""));
    let mut seconds = 0.0;
    for (part, units) in [(days, &[('D', 86_400.0)][..]), (time, &[('H', 3_600.0), ('M', 60.0), ('S', 1.0)])] {
        let mut rest = part;
        for (unit, factor) in units {
            if let Some((number, more)) = rest.split_once(*unit) {
                seconds += number.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0)? * factor;
                rest = more;
            }
        }
        if !rest.is_empty() {
            return None;
        }
    }
    Some(Span::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_period_is_read_from_the_root() {
        for (mpd, seconds) in [
            ("<?xml?><MPD type=\"dynamic\" minimumUpdatePeriod=\"PT6S\" x=\"1\">", 6.0),
            ("<MPD minimumUpdatePeriod='PT0.2S'>", 1.0),
            ("<MPD minimumUpdatePeriod=\"PT1H\">", 60.0),
            ("<MPD minimumUpdatePeriod=\"PT0S\" maxSegmentDuration=\"PT3.84S\">", 3.84),
            ("<MPD minimumUpdatePeriod=\"PT0S\">", 6.0),
            ("<MPD minimumUpdatePeriod=\"soon\">", 60.0),
            ("<MPD type=\"static\">", 60.0),
            ("<html>", 60.0),
            ("<MPD minimumUpdatePeriod=\"P\">", 6.0),
        ] {
            assert_eq!(update_period(mpd), Span::from_secs_f64(seconds), "{mpd}");
        }
    }
}
