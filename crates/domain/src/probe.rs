//! What a fetcher measures of itself: the facts behind `self-*`, and behind not blaming a channel for a blind probe
//! (docs/adr/0008).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capture::{BodyEnd, Capture, Exchange, ObjectKind, Outcome, Protocol, Response, Timings};
use crate::policy::{ChannelClass, ChannelPolicy, CheckSettings};
use crate::{ChannelId, ProbeId, StreamId, Time, TrackId};

/// State of one fetcher process, measured once a second over the window that each part names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeFacts {
    /// Name of the process, unique on the probe.
    pub replica: String,
    /// When it was measured.
    pub at: Time,
    /// Channels it holds.
    #[serde(default)]
    pub held: u32,
    /// It gives its channels back and ends: its silence from now on is wanted.
    #[serde(default)]
    pub leaving: bool,
    /// Its UTC against others; absent when nothing could be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockFacts>,
    /// How far UTC was moved against the monotonic clock since the report before, microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_step_us: Option<i64>,
    /// Whether it kept its own plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleFacts>,
    /// Whether it reaches anything at all; absent without control targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<ControlFacts>,
    /// What it downloads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<IngressFacts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryFacts>,
}

/// Where a clock comparison came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClockSource {
    /// SNTP (RFC 5905): exact to milliseconds.
    Ntp,
    /// Median of the `Date` headers of at least five hosts: exact to half a second.
    HttpDate,
}

/// The probe's UTC against a better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClockFacts {
    /// What has to be added to the probe's time, microseconds: positive when the probe is slow.
    pub offset_us: i64,
    /// Half-width of the error of `offset_us`.
    pub dispersion_us: i64,
    pub source: ClockSource,
}

/// Lateness over the last 60 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ScheduleFacts {
    /// Polls started.
    pub polls: u32,
    /// Of these, later than 500 ms after they were due.
    pub late: u32,
    /// 99th percentile of how late a timer of the event loop fires, microseconds.
    pub loop_lag_p99_us: i64,
}

/// The last round over the control targets (name lookup and TCP connection).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ControlFacts {
    pub targets: u32,
    pub failed: u32,
    /// When the round began.
    pub at: Time,
}

/// Download rate over the last second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IngressFacts {
    pub bits_per_second: u64,
    /// Configured capacity of the link.
    pub link_bits_per_second: u64,
}

/// Resident memory of the process against its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemoryFacts {
    pub resident_bytes: u64,
    pub limit_bytes: u64,
}

/// The channel under which a probe reports about itself: `probe-<probe>`; `None` when that is too long for a name.
pub fn probe_channel(probe: &ProbeId) -> Option<ChannelId> {
    ChannelId::new(&format!("probe-{probe}")).ok()
}

/// The policy of [`probe_channel`]: no streams, one probe, the catalogue's defaults.
pub fn probe_policy(probe: &ProbeId) -> Option<ChannelPolicy> {
    Some(ChannelPolicy {
        channel: probe_channel(probe)?,
        name: format!("Probe {probe}"),
        revision: 1,
        enabled: true,
        class: ChannelClass::Linear,
        streams: Vec::new(),
        probes: vec![probe.clone()],
        limits: crate::job::FetchLimits::default(),
        checks: CheckSettings::default(),
        event_start: None,
        event_end: None,
        labels: BTreeMap::from([("ottwatch-kind".to_owned(), "probe".to_owned())]),
        packager: None,
        region: None,
        runbook: None,
        ladder: None,
    })
}

/// The probe that a policy is about, when it is one of [`probe_policy`].
pub fn probe_of(policy: &ChannelPolicy) -> Option<&ProbeId> {
    let [probe] = policy.probes.as_slice() else { return None };
    let is_probe = policy.streams.is_empty() && probe_channel(probe).is_some_and(|channel| channel == policy.channel);
    is_probe.then_some(probe)
}

/// A report of a probe about itself, as a capture of its own channel: same order, same replay as every fact.
/// `facts` absent stands for silence. `id` is left to the sender. `None` when the probe's name is too long.
pub fn report(probe: &ProbeId, at: Time, facts: Option<ProbeFacts>) -> Option<Capture> {
    let replica = facts.as_ref().map_or("-", |f| f.replica.as_str());
    let origin = format!("probe://{probe}");
    Some(Capture {
        id: String::new(),
        channel: probe_channel(probe)?,
        stream: StreamId::new("self").ok()?,
        protocol: Protocol::Hls,
        probe: probe.clone(),
        job_revision: 0,
        seq: 0,
        object: ObjectKind::Probe,
        track: None,
        promised: None,
        exchange: Exchange {
            url: format!("{origin}/{replica}"),
            final_url: None,
            origin,
            method: "REPORT".into(),
            t_req: at,
            t_end: at,
            timings: Timings::default(),
            remote_addr: None,
            http_version: None,
            tls: None,
            redirects: Vec::new(),
            failed_addresses: Vec::new(),
            outcome: Outcome::Response(Response {
                status: 200,
                headers: Vec::new(),
                body_bytes: 0,
                content_length: None,
                body_end: BodyEnd::NotRead,
                digest: None,
                sniff: None,
            }),
        },
        clock_uncertainty_us: facts.as_ref().map_or(0, ProbeFacts::clock_uncertainty_us),
        body: None,
        facts: None,
        retry: false,
        extra: false,
        late_polls: 0,
        blocking: None,
        time_checks: Vec::new(),
        probe_facts: facts.map(Box::new),
    })
}

impl ProbeFacts {
    /// Nothing is known but who and when.
    pub fn new(replica: impl Into<String>, at: Time) -> Self {
        Self {
            replica: replica.into(),
            at,
            held: 0,
            leaving: false,
            clock: None,
            time_step_us: None,
            schedule: None,
            control: None,
            ingress: None,
            memory: None,
        }
    }

    /// Half-width of the error of the probe's UTC, microseconds, as far as it was measured; at least 50 ms.
    pub fn clock_uncertainty_us(&self) -> i64 {
        let measured = self.clock.map_or(0, |c| c.offset_us.saturating_abs().saturating_add(c.dispersion_us.max(0)));
        measured.max(50_000)
    }

    /// The process in subjects of alarms.
    pub fn track(&self) -> TrackId {
        TrackId::from_text(&self.replica)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_reports_under_a_channel_of_its_own() {
        let probe = ProbeId::new("hcm-1").unwrap();
        let policy = probe_policy(&probe).unwrap();
        assert_eq!((policy.channel.as_str(), probe_of(&policy)), ("probe-hcm-1", Some(&probe)));
        let facts = ProbeFacts::new("hcm-1-a", Time::UNIX_EPOCH);
        let capture = report(&probe, Time::UNIX_EPOCH, Some(facts)).unwrap();
        assert_eq!((capture.channel, capture.clock_uncertainty_us), (policy.channel.clone(), 50_000));
        let other = ChannelPolicy { channel: ChannelId::new("vtv3").unwrap(), ..policy };
        assert_eq!(probe_of(&other), None);
        let long = ProbeId::new(&"p".repeat(60)).unwrap();
        assert!(probe_policy(&long).is_none() && report(&long, Time::UNIX_EPOCH, None).is_none());
    }

    #[test]
    fn uncertainty_is_offset_and_dispersion() {
        let mut facts = ProbeFacts::new("a", Time::UNIX_EPOCH);
        let clock = |offset_us, dispersion_us| ClockFacts { offset_us, dispersion_us, source: ClockSource::Ntp };
        for (measured, expected) in [
            (None, 50_000),
            (Some(clock(1_000, 2_000)), 50_000),
            (Some(clock(-3_000_000, 10_000)), 3_010_000),
            (Some(clock(i64::MIN, 1)), i64::MAX),
        ] {
            facts.clock = measured;
            assert_eq!(facts.clock_uncertainty_us(), expected);
        }
    }
}
