//! Settings of the fetcher.

use ow_domain::ProbeId;
use ow_service::HumanDuration;
use ow_service::config::Problem;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Settings, section `[fetcher]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FetcherConfig {
    /// The probe that this process is a part of. Several processes may be.
    pub probe: String,
    /// Channels that this process can hold.
    pub slots: usize,
    /// Label of the place, shown with the probe.
    pub region: Option<String>,
    /// Captures published and not yet acknowledged, at most; then requests wait.
    pub publish_in_flight: u32,
    /// How long captures may take to leave at the end.
    pub drain_timeout: HumanDuration,
    /// How long a connection is kept idle.
    pub idle_timeout: HumanDuration,
    /// How long an answer of the resolver is used again.
    pub dns_cache: HumanDuration,
    /// Trust the root certificates of the machine.
    pub native_roots: bool,
    /// `host:port` of at least three independent places that accept connections. A probe that reaches none of them is
    /// cut off and blames no channel.
    pub control_targets: Vec<String>,
    /// Servers of time, `host` or `host:port`. Without them the Date headers of five hosts or more are compared.
    pub ntp_servers: Vec<String>,
    /// Capacity of the link to origins in Mbit/s; 0 is unknown.
    pub link_mbps: u32,
}

impl Default for FetcherConfig {
    fn default() -> Self {
        Self {
            probe: "local".into(),
            slots: 200,
            region: None,
            publish_in_flight: 256,
            drain_timeout: HumanDuration(Duration::from_secs(5)),
            idle_timeout: HumanDuration(Duration::from_secs(30)),
            dns_cache: HumanDuration(Duration::from_secs(30)),
            native_roots: true,
            control_targets: Vec::new(),
            ntp_servers: Vec::new(),
            link_mbps: 0,
        }
    }
}

impl FetcherConfig {
    /// What of it makes no sense: key, value, reason, example.
    pub fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem = |key: &str, value: String, reason: String, example: &str| {
            problems.push(Problem {
                origin: "fetcher".into(),
                key: format!("fetcher.{key}"),
                value,
                reason,
                example: Some(example.into()),
            });
        };
        if let Err(error) = ProbeId::new(&self.probe) {
            problem("probe", self.probe.clone(), error.reason.into(), "probe = \"hcm-1\"");
        }
        if !(1..=10_000).contains(&self.slots) {
            problem("slots", self.slots.to_string(), "must be 1 to 10000".into(), "slots = 200");
        }
        if !(1..=10_000).contains(&self.publish_in_flight) {
            let value = self.publish_in_flight.to_string();
            problem("publish_in_flight", value, "must be 1 to 10000".into(), "publish_in_flight = 256");
        }
        let n_targets = self.control_targets.len();
        if (1..3).contains(&n_targets) || n_targets > 16 {
            let reason = "must be 3 to 16 places in different networks, or none".into();
            let example = "control_targets = [\"10.0.0.1:53\", \"192.0.2.1:443\", \"198.51.100.1:443\"]";
            problem("control_targets", format!("{:?}", self.control_targets), reason, example);
        }
        let has_port = |target: &String| {
            target.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        };
        if let Some(target) = self.control_targets.iter().find(|target| !has_port(target)) {
            let example = "control_targets = [\"10.0.0.1:53\", \"192.0.2.1:443\", \"198.51.100.1:443\"]";
            problem("control_targets", target.clone(), "must be host:port".into(), example);
        }
        if self.ntp_servers.len() > 8 || self.ntp_servers.iter().any(String::is_empty) {
            let value = format!("{:?}", self.ntp_servers);
            problem("ntp_servers", value, "must be up to 8 names".into(), "ntp_servers = [\"ntp.example.net\"]");
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_without_sense_are_told() {
        assert!(FetcherConfig::default().validate().is_empty());
        let wrong = FetcherConfig { probe: "HCM 1".into(), slots: 0, publish_in_flight: 0, ..FetcherConfig::default() };
        let targets = |targets: &[&str]| FetcherConfig {
            control_targets: targets.iter().map(|t| (*t).to_owned()).collect(),
            ..FetcherConfig::default()
        };
        assert!(targets(&["a:1", "b:2", "[::1]:3"]).validate().is_empty());
        assert_eq!(targets(&["a:1", "b:2"]).validate().len(), 1);
        assert_eq!(targets(&["a:1", "b", "c:3"]).validate().len(), 1);
        let keys: Vec<String> = wrong.validate().into_iter().map(|problem| problem.key).collect();
        assert_eq!(keys, ["fetcher.probe", "fetcher.slots", "fetcher.publish_in_flight"]);
    }
}
