//! What the wire did, on any `at` line: headers, phases, redirects, ranges.

use ow_domain::capture::{Capture, FailedAddress, FailureKind, Outcome, Redirect, TimeCheck};
use ow_domain::{Span, Time};

use super::Words;

/// `h.cache-control=max-age=30 age=40 served=-3 modified=20 dns=0.7 connect=0.4 ttfb=1.2 body=3 stall=1.5 slowest=50000
/// redirect=http://a/b,https://c/d dead=10.0.0.1:80 range=0-999 full-range`; `served` (Date) and `modified` (Last-Modified) are seconds against
/// the end of the load.
pub fn dress(capture: &mut Capture, words: &Words<'_>) {
    let us = |key: &str| words.number(key).map(|s| Span::from_secs_f64(s).micros());
    let end = capture.exchange.t_end;
    let http_date = |seconds: f64| {
        let at = end + Span::from_secs_f64(seconds);
        http_date_text(at.unix_seconds())
    };
    let timings = &mut capture.exchange.timings;
    timings.dns_us = us("dns").or(timings.dns_us);
    timings.connect_us = us("connect").or(timings.connect_us);
    timings.ttfb_us = us("ttfb").or(timings.ttfb_us);
    timings.body_us = us("body").or(timings.body_us);
    timings.longest_stall_us = us("stall").or(timings.longest_stall_us);
    timings.slowest_bits_per_second = words.number("slowest").map(|n| n as u64);
    if let Some(redirects) = words.options.get("redirect") {
        for location in redirects.split(',') {
            capture.exchange.redirects.push(Redirect { status: 302, location: location.to_owned() });
        }
        capture.exchange.final_url = capture.exchange.redirects.last().map(|r| r.location.clone());
    }
    if let Some(dead) = words.options.get("dead") {
        capture.exchange.failed_addresses =
            dead.split(',').map(|a| FailedAddress { addr: a.to_owned(), failure: FailureKind::Refused }).collect();
    }
    if let (Some(range), Some(promised)) = (words.options.get("range"), capture.promised.as_mut()) {
        let (first, last) = range.split_once('-').unwrap();
        promised.byte_range = Some((first.parse().unwrap(), last.parse().unwrap()));
    }
    if let Some(clocks) = words.options.get("clock") {
        capture.time_checks = clocks.split(',').map(|clock| time_check(clock, capture.exchange.t_req)).collect();
    }
    let Outcome::Response(response) = &mut capture.exchange.outcome else { return };
    for (key, value) in &words.options {
        if let Some(name) = key.strip_prefix("h.") {
            response.headers.push((name.to_owned(), value.replace('_', " ")));
        }
    }
    if let Some(date) = words.number("served") {
        response.headers.push(("date".into(), http_date(date)));
    }
    if let Some(modified) = words.number("modified") {
        response.headers.push(("last-modified".into(), http_date(modified)));
    }
    if words.has("chunked") {
        response.content_length = None;
    }
}

/// `clock=OFFSET/TOOK/AGE,404`: how far each time source is ahead, seconds, or how it failed.
fn time_check(text: &str, at: Time) -> TimeCheck {
    let mut parts = text.split('/').map(|part| part.parse::<f64>().ok());
    let offset = parts.next().flatten().filter(|offset| *offset < 400.0);
    let took = Span::from_secs_f64(parts.next().flatten().unwrap_or(0.0));
    let age = parts.next().flatten().map(Span::from_secs_f64);
    let said = offset.map(|offset| at + Span::from_secs_f64(offset) - age.unwrap_or(Span::ZERO));
    TimeCheck {
        url: "http://o.example/time".into(),
        t_req: at,
        t_end: at + took,
        said: said.map(|said| (said, said)),
        age_us: age.map(Span::micros),
        outcome: if said.is_some() { "200".into() } else { text.to_owned() },
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` of a Unix second.
fn http_date_text(second: i64) -> String {
    let text = ow_domain::Time::from_unix_micros(second * 1_000_000).to_string();
    let (date, time) = text.split_once('T').unwrap();
    let parts: Vec<&str> = date.split('-').collect();
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month: usize = parts[1].parse().unwrap();
    // 1970-01-01 was a Thursday.
    let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let weekday = days[second.div_euclid(86_400).rem_euclid(7) as usize];
    format!("{weekday}, {} {} {} {} GMT", parts[2], months[month - 1], parts[0], &time[..8])
}
