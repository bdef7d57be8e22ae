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
        let keys: Vec<String> = wrong.validate().into_iter().map(|problem| problem.key).collect();
        assert_eq!(keys, ["fetcher.probe", "fetcher.slots", "fetcher.publish_in_flight"]);
    }
}
