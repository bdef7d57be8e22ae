//! The probe's UTC against others: a server of time, or the `Date` headers of the hosts it asks anyway.

use std::collections::{HashMap, VecDeque};

use ow_domain::capture::Exchange;
use ow_domain::probe::{ClockFacts, ClockSource};
use ow_domain::{Span, Time};

/// Hosts needed before their dates mean something.
const MIN_HOSTS: usize = 5;
const MAX_HOSTS: usize = 64;
const PER_HOST: usize = 9;
/// Older comparisons are forgotten.
const FRESH: Span = Span::from_secs(600);
/// A `Date` is cut to the second: half of it each way, and as much for a server that writes it early.
const DATE_DISPERSION_US: i64 = 750_000;

/// Comparisons so far.
#[derive(Debug, Default)]
pub(super) struct Dates {
    hosts: HashMap<String, VecDeque<(Time, i64)>>,
    disciplined: Option<(Time, ClockFacts)>,
}

impl Dates {
    /// Takes the `Date` of an answer that no cache held.
    pub fn take(&mut self, exchange: &Exchange) {
        let cached = exchange.header("age").is_some_and(|age| age.trim() != "0");
        let Some(date) = exchange.header("date").and_then(Time::parse_http_date).filter(|_| !cached) else { return };
        let head = exchange.t_end + Span::from_micros(-exchange.timings.body_us.unwrap_or(0));
        let offset = date + Span::from_millis(500) - head;
        if !self.hosts.contains_key(&exchange.origin) && self.hosts.len() >= MAX_HOSTS {
            self.hosts.retain(|_, seen| seen.back().is_some_and(|(at, _)| head - *at < FRESH));
            if self.hosts.len() >= MAX_HOSTS {
                return;
            }
        }
        let seen = self.hosts.entry(exchange.origin.clone()).or_default();
        if seen.len() == PER_HOST {
            seen.pop_front();
        }
        seen.push_back((head, offset.micros()));
    }

    /// A server of time answered.
    pub fn disciplined(&mut self, clock: ClockFacts, now: Time) {
        self.disciplined = Some((now, clock));
    }

    /// The best comparison there is.
    pub fn facts(&self, now: Time) -> Option<ClockFacts> {
        if let Some((at, clock)) = self.disciplined
            && now - at < FRESH
        {
            return Some(clock);
        }
        let fresh = |seen: &VecDeque<(Time, i64)>| -> Option<i64> {
            median(seen.iter().filter(|(at, _)| now - *at < FRESH).map(|(_, offset)| *offset).collect())
        };
        let of_hosts: Vec<i64> = self.hosts.values().filter_map(fresh).collect();
        if of_hosts.len() < MIN_HOSTS {
            return None;
        }
        let offset_us = median(of_hosts)?;
        Some(ClockFacts { offset_us, dispersion_us: DATE_DISPERSION_US, source: ClockSource::HttpDate })
    }
}

fn median(mut values: Vec<i64>) -> Option<i64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ow_domain::capture::{BodyEnd, Outcome, Response, Timings};

    fn answer(host: &str, at: Time, date: &str, age: Option<&str>) -> Exchange {
        let mut headers = vec![("date".to_owned(), date.to_owned())];
        headers.extend(age.map(|age| ("age".to_owned(), age.to_owned())));
        Exchange {
            url: format!("http://{host}/a"),
            final_url: None,
            origin: format!("http://{host}:80"),
            method: "GET".into(),
            t_req: at,
            t_end: at,
            timings: Timings::default(),
            remote_addr: None,
            http_version: None,
            tls: None,
            redirects: vec![],
            failed_addresses: vec![],
            outcome: Outcome::Response(Response {
                status: 200,
                headers,
                body_bytes: 0,
                content_length: None,
                body_end: BodyEnd::Complete,
                digest: None,
                sniff: None,
            }),
        }
    }

    #[test]
    fn five_hosts_without_caches_tell_the_time() {
        let now = Time::parse_http_date("Sun, 22 Nov 2026 20:00:00 GMT").unwrap() + Span::from_millis(500);
        let mut dates = Dates::default();
        for host in ["a", "b", "c", "d"] {
            dates.take(&answer(host, now, "Sun, 22 Nov 2026 20:00:03 GMT", None));
        }
        dates.take(&answer("e", now, "Sun, 22 Nov 2026 19:00:00 GMT", Some("3600")));
        dates.take(&answer("f", now, "soon", None));
        assert_eq!(dates.facts(now), None, "four are not enough, a cached one does not count");
        // One liar changes nothing.
        dates.take(&answer("g", now, "Sun, 22 Nov 2026 10:00:00 GMT", Some("0")));
        let facts = dates.facts(now).unwrap();
        assert_eq!((facts.offset_us, facts.source), (3_000_000, ClockSource::HttpDate));
        assert_eq!(dates.facts(now + Span::from_secs(601)), None, "old comparisons say nothing");
        let exact = ClockFacts { offset_us: 1_000, dispersion_us: 5_000, source: ClockSource::Ntp };
        dates.disciplined(exact, now);
        assert_eq!(dates.facts(now), Some(exact));
    }
}
