//! One question to a server of time (SNTP, RFC 5905 section 14).

use std::time::Duration;

use ow_domain::Time;
use ow_domain::probe::{ClockFacts, ClockSource};
use tokio::net::{UdpSocket, lookup_host};

use crate::clock::SteadyClock;

const TIMEOUT: Duration = Duration::from_secs(2);
const LENGTH: usize = 48;
/// Seconds from 1900 to 1970.
const TO_UNIX: i64 = 2_208_988_800;

/// Asks `server` (`host` or `host:port`) once; `None` when there is no usable answer.
pub(super) async fn ask(server: &str, clock: SteadyClock) -> Option<ClockFacts> {
    tokio::time::timeout(TIMEOUT, exchange(server, clock)).await.ok().flatten()
}

async fn exchange(server: &str, clock: SteadyClock) -> Option<ClockFacts> {
    let has_port = server.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let server = if has_port { server.to_owned() } else { format!("{server}:123") };
    let address = lookup_host(&server).await.ok()?.next()?;
    let local = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(local).await.ok()?;
    socket.connect(address).await.ok()?;
    let mut question = [0_u8; LENGTH];
    // Version 4, client.
    question[0] = 0x23;
    let sent = clock.now();
    let stamp = to_ntp(sent);
    question[40..].copy_from_slice(&stamp);
    socket.send(&question).await.ok()?;
    let mut answer = [0_u8; 512];
    loop {
        let n = socket.recv(&mut answer).await.ok()?;
        // An answer to something else is waited out.
        if n >= LENGTH && answer[24..32] == stamp {
            return read(&answer[..LENGTH], sent, clock.now());
        }
    }
}

/// The offset by the four timestamps, and how far it may be wrong: half the way there and back, and what the server says
/// of itself.
fn read(answer: &[u8], sent: Time, received: Time) -> Option<ClockFacts> {
    let (leap, mode, stratum) = (answer.first()? >> 6, answer.first()? & 7, *answer.get(1)?);
    if leap == 3 || mode != 4 || !(1..=15).contains(&stratum) {
        return None;
    }
    let short = |at: usize| -> Option<i64> {
        let bytes: [u8; 4] = answer.get(at..at + 4)?.try_into().ok()?;
        Some((i64::from(u32::from_be_bytes(bytes)) * 1_000_000) >> 16)
    };
    let (root_delay, root_dispersion) = (short(4)?, short(8)?);
    let (arrived, left) = (from_ntp(answer.get(32..40)?)?, from_ntp(answer.get(40..48)?)?);
    let there = (arrived - sent).micros();
    let back = (left - received).micros();
    let round_trip = ((received - sent).micros() - (left - arrived).micros()).max(0);
    Some(ClockFacts {
        offset_us: there.saturating_add(back) / 2,
        dispersion_us: root_delay / 2 + root_dispersion + round_trip / 2,
        source: ClockSource::Ntp,
    })
}

fn to_ntp(time: Time) -> [u8; 8] {
    let micros = time.unix_micros();
    let seconds = (micros.div_euclid(1_000_000) + TO_UNIX) as u32;
    let fraction = ((micros.rem_euclid(1_000_000) << 32) / 1_000_000) as u32;
    let mut out = [0; 8];
    out[..4].copy_from_slice(&seconds.to_be_bytes());
    out[4..].copy_from_slice(&fraction.to_be_bytes());
    out
}

fn from_ntp(bytes: &[u8]) -> Option<Time> {
    let bytes: [u8; 8] = bytes.try_into().ok()?;
    let both = u64::from_be_bytes(bytes);
    let (seconds, fraction) = ((both >> 32) as i64, (both & 0xffff_ffff) as i64);
    if both == 0 {
        return None;
    }
    // The count wraps in 2036: small numbers are of the next era.
    let seconds = if seconds < 1 << 31 { seconds + (1 << 32) } else { seconds };
    Some(Time::from_unix_micros((seconds - TO_UNIX) * 1_000_000 + ((fraction * 1_000_000) >> 32)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ow_domain::Span;

    #[test]
    fn stamps_map_both_ways_also_after_2036() {
        for text in ["2026-11-22T20:00:00.250000Z", "2036-02-07T06:28:17.000000Z", "2050-01-01T00:00:00.999999Z"] {
            let time = Time::parse_rfc3339(text).unwrap();
            let back = from_ntp(&to_ntp(time)).unwrap();
            assert!((back - time).abs() <= Span::from_micros(1), "{back} {time}");
        }
    }

    /// A server whose clock is ahead by three seconds.
    #[tokio::test]
    async fn the_offset_is_measured() {
        let clock = SteadyClock::start();
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap().to_string();
        let serving = tokio::spawn(async move {
            let mut question = [0; LENGTH];
            let (_, from) = server.recv_from(&mut question).await.unwrap();
            let mut answer = [0_u8; LENGTH];
            (answer[0], answer[1]) = (0x24, 2);
            // Root dispersion: 1/64 s.
            answer[8..12].copy_from_slice(&(1_u32 << 10).to_be_bytes());
            answer[24..32].copy_from_slice(&question[40..48]);
            let stamp = to_ntp(clock.now() + Span::from_secs(3));
            answer[32..40].copy_from_slice(&stamp);
            answer[40..48].copy_from_slice(&stamp);
            server.send_to(&answer, from).await.unwrap();
        });
        let facts = ask(&address, clock).await.unwrap();
        serving.await.unwrap();
        assert!((2_500_000..3_500_000).contains(&facts.offset_us), "{facts:?}");
        assert!((15_000..1_000_000).contains(&facts.dispersion_us), "{facts:?}");
    }

    #[test]
    fn a_server_that_does_not_know_the_time_is_not_believed() {
        let now = Time::parse_rfc3339("2026-11-22T20:00:00Z").unwrap();
        let mut answer = [0_u8; LENGTH];
        answer[32..40].copy_from_slice(&to_ntp(now));
        answer[40..48].copy_from_slice(&to_ntp(now));
        for (first, stratum, usable) in [(0x24, 1, true), (0xe4, 1, false), (0x24, 0, false), (0x23, 1, false)] {
            (answer[0], answer[1]) = (first, stratum);
            assert_eq!(read(&answer, now, now).is_some(), usable, "{first:#x} {stratum}");
        }
    }
}
