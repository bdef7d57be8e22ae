//! Objects as answers: the envelope, and what of a kind is known beside its document.

use std::collections::BTreeMap;

use ow_domain::access::{Permission, Principal};
use ow_domain::config::ConfigKind;
use ow_domain::verdict::Verdict;
use ow_domain::{Severity, Time};
use ow_store::StoreError;
use ow_store::config::{ProbeCredential, StoredObject};
use serde_json::{Value, json};

use crate::Shared;
use crate::http::Problem;

/// The document with its envelope. Secrets are not shown to anybody, the queries of URLs only to who may write them.
pub fn shown(stored: &StoredObject, principal: &Principal) -> Value {
    let object = ow_config::without_secrets(stored.object.clone());
    let mut spec = ow_config::spec_json(&object);
    if object.kind == ConfigKind::Channel && !principal.may(Permission::ConfigWrite) {
        for stream in spec["streams"].as_array_mut().into_iter().flatten() {
            if let Some(url) = stream["url"].as_str() {
                stream["url"] = without_query(url).into();
            }
        }
    }
    let mut body = json!({
        "name": object.name,
        "labels": object.labels,
        "spec": spec,
        "revision": object.revision,
        "changed_at": shown_time(stored.changed_at),
    });
    if let Some(owner) = object.managed_by() {
        body["managed_by"] = owner.into();
    }
    body
}

/// UTC with milliseconds.
pub fn shown_time(time: Time) -> Value {
    let text = time.to_string();
    // Six decimals are written always.
    match text.strip_suffix('Z').and_then(|text| text.get(..text.len().saturating_sub(3))) {
        Some(text) => format!("{text}Z").into(),
        None => text.into(),
    }
}

pub fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// Nothing heard of a channel is not well: we cannot tell.
pub fn severity(verdict: Option<&Verdict>) -> Severity {
    verdict.map_or(Severity::Indeterminate, |verdict| verdict.severity)
}

/// What is known of objects of a kind beside their documents: state of channels, tokens of probes, whether a silence
/// holds.
pub struct Known {
    now: Time,
    enrolled: BTreeMap<String, ProbeCredential>,
    windows: BTreeMap<String, ow_alerting::Maintenance>,
}

impl Known {
    pub async fn of(shared: &Shared, kind: ConfigKind, objects: &[StoredObject]) -> Result<Self, Problem> {
        let mut known = Self { now: now(), enrolled: BTreeMap::new(), windows: BTreeMap::new() };
        match kind {
            ConfigKind::Probe => {
                let names: Vec<String> = objects.iter().map(|o| o.object.name.to_string()).collect();
                let enrolled = shared.store.probe_credentials(&names).await.map_err(|e| problem_of_store(&e))?;
                known.enrolled = enrolled.into_iter().map(|e| (e.probe.clone(), e)).collect();
            }
            ConfigKind::Maintenance => {
                let objects: Vec<_> = objects.iter().map(|o| o.object.clone()).collect();
                let (windows, _) = ow_config::maintenance(&objects);
                known.windows = windows.into_iter().map(|w| (w.name.clone(), w)).collect();
            }
            _ => {}
        }
        Ok(known)
    }

    /// Adds to the body of an answer.
    pub fn add(&self, shared: &Shared, stored: &StoredObject, body: &mut Value) {
        let name = stored.object.name.as_str();
        let spec = &stored.object.spec;
        match stored.object.kind {
            ConfigKind::Channel => {
                let verdict = shared.status.get(name);
                let verdict = verdict.as_deref();
                body["status"] = json!({
                    "severity": severity(verdict),
                    "n_conditions": verdict.map_or(0, |v| v.conditions.len()),
                    "as_of": verdict.map(|v| shown_time(v.as_of)),
                    "policy_revision": verdict.map(|v| v.policy_revision),
                });
            }
            ConfigKind::Probe => {
                body["enrolled"] = self.enrolled.get(name).map_or(
                    Value::Null,
                    |e| json!({"created_at": shown_time(e.created_at), "created_by": e.created_by}),
                );
            }
            ConfigKind::Silence => {
                let time = |field: &str| spec[field].as_str().and_then(Time::parse_rfc3339);
                let state = match (time("startsAt"), time("endsAt")) {
                    (Some(start), _) if self.now < start => "pending",
                    (_, Some(end)) if self.now >= end => "expired",
                    _ => "active",
                };
                body["state"] = state.into();
            }
            ConfigKind::Maintenance => {
                let shown = |window: Option<ow_alerting::Window>| {
                    window.map(|w| json!({"start": shown_time(w.start), "end": shown_time(w.end)}))
                };
                let window = self.windows.get(name);
                body["active_window"] = json!(shown(window.and_then(|w| w.active_at(self.now))));
                body["next_window"] = json!(shown(window.and_then(|w| w.schedule.next_after(self.now))));
            }
            _ => {}
        }
    }
}

/// The time of this machine.
pub fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Time::from_unix_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// A failure of the store as an answer.
pub fn problem_of_store(error: &StoreError) -> Problem {
    match error {
        StoreError::Conflict { .. } => Problem::conflict(
            "conflict",
            "the configuration is being changed by others; nothing was changed, try again",
        ),
        error => Problem::unavailable(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_milliseconds() {
        let time = Time::parse_rfc3339("2026-11-22T09:41:07.25Z").unwrap();
        assert_eq!(shown_time(time), "2026-11-22T09:41:07.250Z");
        assert_eq!(without_query("http://o/a.m3u8?token=x#y"), "http://o/a.m3u8");
    }
}
