//! What should stand, compared with what stands. Pure.

use std::collections::{BTreeMap, BTreeSet};

use ow_domain::job::{FetchJob, ProbeHeartbeat};
use ow_domain::policy::ChannelPolicy;
use ow_domain::{ChannelId, ProbeId, Time};

/// What to do so that exactly what is wanted stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// New or changed: write.
    pub put: Vec<FetchJob>,
    /// As it should be: see that its lease stands.
    pub keep: Vec<FetchJob>,
    /// No longer wanted.
    pub withdraw: Vec<(ProbeId, ChannelId)>,
}

/// Whether the channel is to be watched now: enabled, for an event between its start and its end, with any stream.
pub fn is_wanted(policy: &ChannelPolicy, now: Time) -> bool {
    policy.is_on(now) && !policy.streams.is_empty()
}

/// Compares policies with the jobs that stand. A job differs when its streams or limits do: a new display name or
/// threshold does not disturb a fetcher.
pub fn plan(policies: &[ChannelPolicy], standing: &[FetchJob], now: Time) -> Plan {
    let mut left: BTreeMap<(&ProbeId, &ChannelId), &FetchJob> =
        standing.iter().map(|job| ((&job.probe, &job.channel), job)).collect();
    let mut plan = Plan::default();
    let mut planned = BTreeSet::new();
    for policy in policies.iter().filter(|policy| is_wanted(policy, now)) {
        for probe in &policy.probes {
            if !planned.insert((probe, &policy.channel)) {
                continue;
            }
            match left.remove(&(probe, &policy.channel)) {
                Some(job) if job.streams == policy.streams && job.limits == policy.limits => {
                    plan.keep.push(job.clone());
                }
                stands => plan.put.push(FetchJob {
                    channel: policy.channel.clone(),
                    probe: probe.clone(),
                    // Grows also when the policies' revisions had to start again.
                    revision: stands.map_or(policy.revision, |job| policy.revision.max(job.revision + 1)),
                    streams: policy.streams.clone(),
                    limits: policy.limits.clone(),
                }),
            }
        }
    }
    plan.withdraw = left.into_keys().map(|(probe, channel)| (probe.clone(), channel.clone())).collect();
    plan
}

/// Channels that should be watched and have no probe that gives a sign of life.
pub fn unwatched(policies: &[ChannelPolicy], alive: &[ProbeHeartbeat], now: Time) -> BTreeSet<ChannelId> {
    let alive: BTreeSet<&ProbeId> = alive.iter().map(|heartbeat| &heartbeat.probe).collect();
    policies
        .iter()
        .filter(|policy| is_wanted(policy, now) && !policy.probes.iter().any(|probe| alive.contains(probe)))
        .map(|policy| policy.channel.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use ow_domain::StreamId;
    use ow_domain::capture::Protocol;
    use ow_domain::job::{Depth, FetchLimits, StreamJob};
    use ow_domain::policy::CheckSettings;

    use super::*;
    use ow_domain::policy::ChannelClass;

    const NOW: Time = Time::from_unix_micros(1_000_000_000);

    fn probe(name: &str) -> ProbeId {
        ProbeId::new(name).unwrap()
    }

    fn policy(name: &str, probes: &[&str]) -> ChannelPolicy {
        ChannelPolicy {
            channel: ChannelId::new(name).unwrap(),
            name: name.into(),
            revision: 3,
            enabled: true,
            class: ChannelClass::Linear,
            streams: vec![StreamJob {
                stream: StreamId::new("main").unwrap(),
                protocol: Protocol::Hls,
                url: "http://o/m.m3u8".into(),
                headers: Vec::new(),
                depth: Depth::Full,
            }],
            probes: probes.iter().map(|p| probe(p)).collect(),
            limits: FetchLimits::default(),
            checks: CheckSettings::default(),
            ladder: None,
            event_start: None,
            event_end: None,
            labels: BTreeMap::new(),
            packager: None,
            region: None,
            runbook: None,
        }
    }

    /// `put, keep, withdraw` as `probe.channel@revision`.
    fn check(policies: &[ChannelPolicy], standing: &[FetchJob], expected: [&[&str]; 3]) {
        let plan = plan(policies, standing, NOW);
        let text = |jobs: &[FetchJob]| -> Vec<String> {
            jobs.iter().map(|j| format!("{}.{}@{}", j.probe, j.channel, j.revision)).collect()
        };
        let withdraw: Vec<String> = plan.withdraw.iter().map(|(p, c)| format!("{p}.{c}")).collect();
        assert_eq!([text(&plan.put), text(&plan.keep), withdraw], expected.map(|e| e.to_vec()));
    }

    fn standing(policies: &[ChannelPolicy]) -> Vec<FetchJob> {
        plan(policies, &[], NOW).put
    }

    #[test]
    fn one_job_stands_per_channel_and_probe() {
        let two = [policy("a", &["p1", "p2"]), policy("b", &["p1"])];
        check(&two, &[], [&["p1.a@3", "p2.a@3", "p1.b@3"], &[], &[]]);
        check(&two, &standing(&two), [&[], &["p1.a@3", "p2.a@3", "p1.b@3"], &[]]);
        check(&two[1..], &standing(&two), [&[], &["p1.b@3"], &["p1.a", "p2.a"]]);
    }

    #[test]
    fn only_what_a_fetcher_needs_changes_a_job() {
        let before = [policy("a", &["p1"])];
        let mut renamed = before.clone();
        renamed[0].name = "other".into();
        renamed[0].revision = 9;
        check(&renamed, &standing(&before), [&[], &["p1.a@3"], &[]]);
        let mut moved = before.clone();
        moved[0].streams[0].url = "http://o/new.m3u8".into();
        moved[0].revision = 9;
        check(&moved, &standing(&before), [&["p1.a@9"], &[], &[]]);
        moved[0].revision = 1;
        check(&moved, &standing(&before), [&["p1.a@4"], &[], &[]]);
    }

    #[test]
    fn disabled_channels_and_events_outside_their_hours_are_not_watched() {
        let mut channels = ["a", "b", "c", "d", "e", "f"].map(|name| policy(name, &["p1"]));
        let all = standing(&channels);
        channels[0].enabled = false;
        channels[1].class = ChannelClass::Event;
        channels[1].event_end = Some(NOW);
        channels[2].class = ChannelClass::Event;
        channels[2].event_end = Some(NOW + ow_domain::Span::from_secs(1));
        channels[3].event_end = Some(NOW);
        channels[4].class = ChannelClass::Event;
        channels[4].event_start = Some(NOW + ow_domain::Span::from_secs(1));
        channels[5].class = ChannelClass::Event;
        channels[5].event_start = Some(NOW);
        check(&channels, &all, [&[], &["p1.c@3", "p1.d@3", "p1.f@3"], &["p1.a", "p1.b", "p1.e"]]);
    }

    #[test]
    fn a_channel_without_a_live_probe_is_seen() {
        let channels = [policy("a", &["p1", "p2"]), policy("b", &["p3"]), policy("c", &[])];
        let heartbeat = ProbeHeartbeat {
            probe: probe("p2"),
            replica: "r".into(),
            version: "1".into(),
            at: NOW,
            slots: 1,
            held: 0,
            region: None,
        };
        let found = unwatched(&channels, &[heartbeat], NOW);
        assert_eq!(found.iter().map(ChannelId::as_str).collect::<Vec<_>>(), ["b", "c"]);
    }
}
