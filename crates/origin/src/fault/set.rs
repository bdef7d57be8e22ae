//! The faults in force: added and removed by call, or given by the script; asked once per request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use serde::Serialize;

use super::select::glob_matches;
use super::{FaultError, FaultKind, FaultSpec, Format, ObjectKind};
use crate::clock::Clock;
use crate::config::OriginConfig;

/// Bounds memory and the work per request; further adds are refused.
const FAULTS_MAX: usize = 1_000;

/// What a request is for, as far as selectors care.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub channel: &'a str,
    pub format: Format,
    pub kind: ObjectKind,
    pub rendition: Option<&'a str>,
    /// Segment number, for `every`.
    pub number: Option<i64>,
}

/// A fault that falls on a request.
#[derive(Debug, Clone)]
pub(crate) struct Hit {
    pub entry: Arc<Entry>,
    /// When it became active (of a flap or cycle: this time), Unix microseconds.
    pub since_us: i64,
}

/// The times at which a lasting fault struck: once, or again with each cycle of its script.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strikes {
    first_us: i64,
    cycle_us: Option<i64>,
}

impl Strikes {
    /// How many were before `us`, and the last of them.
    pub fn before(&self, us: i64) -> Option<(i64, i64)> {
        let age = us - 1 - self.first_us;
        match self.cycle_us {
            _ if age < 0 => None,
            None => Some((1, self.first_us)),
            Some(cycle) => Some((age / cycle + 1, self.first_us + age / cycle * cycle)),
        }
    }
}

impl Hit {
    pub fn kind(&self) -> &FaultKind {
        &self.entry.spec.fault
    }

    pub fn strikes(&self) -> Strikes {
        let entry = &self.entry;
        match entry.cycle_us {
            // It stays in force between the cycles.
            Some(_) if entry.spec.for_ms.is_none() && entry.spec.flap.is_none() => {
                Strikes { first_us: entry.from_us, cycle_us: entry.cycle_us }
            }
            _ => Strikes { first_us: self.since_us, cycle_us: None },
        }
    }

    /// Whether the fault's `every` and `new` take this listed segment; `first_new` is the first one published since the fault began.
    pub fn takes_segment(&self, number: i64, first_new: i64) -> bool {
        let select = &self.entry.spec.select;
        number.rem_euclid(select.every as i64) == 0 && (!select.new || number >= first_new)
    }

    /// Whether the fault's rendition glob takes this one.
    pub fn takes_rendition(&self, name: &str) -> bool {
        glob_matches(&self.entry.spec.select.rendition, name)
    }
}

#[derive(Debug)]
pub(crate) struct Entry {
    id: String,
    spec: FaultSpec,
    /// Unix microseconds: added, or the script's time (first cycle).
    from_us: i64,
    cycle_us: Option<i64>,
    n_requests: AtomicU64,
    n_hits: AtomicU64,
}

impl Entry {
    /// Falls on segments only that are published after it began.
    pub fn is_for_new(&self) -> bool {
        self.spec.select.new
    }

    /// Since when it is active at `now_us`, if it is.
    fn active_since(&self, now_us: i64) -> Option<i64> {
        let age = now_us - self.from_us;
        if age < 0 {
            return None;
        }
        let since = match self.cycle_us {
            Some(cycle) => now_us - age.rem_euclid(cycle),
            None => self.from_us,
        };
        let age = now_us - since;
        if self.spec.for_ms.is_some_and(|ms| age >= us(ms)) {
            return None;
        }
        match self.spec.flap {
            None => Some(since),
            Some(flap) => {
                let phase = age.rem_euclid(us(flap.on_ms) + us(flap.off_ms));
                (phase < us(flap.on_ms)).then_some(now_us - phase)
            }
        }
    }

    fn chooses(&self, target: &Target<'_>) -> bool {
        let select = &self.spec.select;
        let kind = &self.spec.fault;
        let object = kind.applies_to().contains(&target.kind)
            && (select.object.is_empty() || select.object.contains(&target.kind));
        let format = kind.formats().contains(&target.format)
            && (select.format.is_empty() || select.format.contains(&target.format));
        let rendition = match target.rendition {
            Some(name) => glob_matches(&select.rendition, name),
            // The multivariant playlist and the MPD have no rendition: there the glob says which one goes missing.
            None => select.rendition == "*" || matches!(kind, FaultKind::MissingRendition {}),
        };
        if !(object && format && rendition && glob_matches(&select.channel, target.channel)) {
            return false;
        }
        match target.number {
            _ if select.every == 1 => true,
            Some(n) => n.rem_euclid(select.every as i64) == 0,
            None if kind.is_per_listed_segment() => true,
            None => (self.n_requests.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(select.every),
        }
    }
}

fn us(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX / 4_000).saturating_mul(1_000).min(i64::MAX / 4)
}

impl FaultSpec {
    /// Whether the fault means something on an origin of this configuration.
    pub(crate) fn check(&self, config: &OriginConfig) -> Result<(), FaultError> {
        if let Some(id) = &self.id
            && (id.is_empty()
                || id.len() > 64
                || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'))
        {
            return Err(FaultError::new("id", id, "must be 1 to 64 of a-z, A-Z, 0-9, -, _", "freeze-ch1"));
        }
        if self.for_ms == Some(0) {
            return Err(FaultError::new("for_ms", 0, "must be at least 1, or left out", "30000"));
        }
        if let Some(flap) = self.flap
            && (flap.on_ms == 0 || flap.off_ms == 0)
        {
            let value = format!("{} on, {} off", flap.on_ms, flap.off_ms);
            return Err(FaultError::new(
                "flap",
                value,
                "both must be at least 1 ms",
                r#"{"on_ms": 5000, "off_ms": 5000}"#,
            ));
        }
        self.fault.check()?;
        self.select.check(&self.fault, config)
    }
}

/// Adds, lists and removes faults of a running origin. Clones act on the same origin.
#[derive(Debug, Clone)]
pub struct FaultHandle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: OriginConfig,
    clock: Clock,
    entries: RwLock<Arc<Vec<Arc<Entry>>>>,
    next_id: AtomicU64,
}

/// A fault as listed by `GET /control/faults`.
#[derive(Debug, Clone, Serialize)]
pub struct Active {
    pub id: String,
    #[serde(flatten)]
    pub spec: ListedSpec,
    /// Whether it is in force at this moment (script, flap and `for_ms` considered).
    pub active: bool,
    /// Requests that it changed.
    pub n_hits: u64,
}

/// A [`FaultSpec`] without its id.
#[derive(Debug, Clone, Serialize)]
pub struct ListedSpec {
    pub select: super::Selector,
    pub fault: FaultKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flap: Option<super::Flap>,
}

impl FaultHandle {
    /// With the steps of the configuration's script, which must have been checked.
    pub(crate) fn new(config: &OriginConfig, clock: Clock) -> FaultHandle {
        let start_us = clock.now_us();
        let entries = config.script.steps.iter().enumerate().map(|(i, step)| {
            Arc::new(Entry {
                id: format!("script-{i}"),
                spec: step.spec(),
                from_us: start_us.saturating_add(us(step.at_ms)),
                cycle_us: config.script.cycle_ms.map(us),
                n_requests: AtomicU64::new(0),
                n_hits: AtomicU64::new(0),
            })
        });
        let entries = RwLock::new(Arc::new(entries.collect()));
        FaultHandle(Arc::new(Shared { config: config.clone(), clock, entries, next_id: AtomicU64::new(1) }))
    }

    /// In force from now on. Returns the id. An id that is in use is replaced.
    pub fn add(&self, spec: FaultSpec) -> Result<String, FaultError> {
        spec.check(&self.0.config)?;
        let id = match &spec.id {
            Some(id) => id.clone(),
            None => format!("f{}", self.0.next_id.fetch_add(1, Ordering::Relaxed)),
        };
        let from_us = self.0.clock.now_us();
        let mut guard = self.0.entries.write().unwrap_or_else(PoisonError::into_inner);
        let mut entries: Vec<_> = guard.iter().filter(|e| e.id != id && !e.is_over(from_us)).cloned().collect();
        if entries.len() >= FAULTS_MAX {
            return Err(FaultError::new(
                "faults",
                entries.len(),
                format!("at most {FAULTS_MAX} at once"),
                "remove some first",
            ));
        }
        let (n_requests, n_hits) = (AtomicU64::new(0), AtomicU64::new(0));
        entries.push(Arc::new(Entry { id: id.clone(), spec, from_us, cycle_us: None, n_requests, n_hits }));
        *guard = Arc::new(entries);
        Ok(id)
    }

    /// Whether there was one.
    pub fn remove(&self, id: &str) -> bool {
        let mut guard = self.0.entries.write().unwrap_or_else(PoisonError::into_inner);
        let entries: Vec<_> = guard.iter().filter(|e| e.id != id).cloned().collect();
        let found = entries.len() < guard.len();
        *guard = Arc::new(entries);
        found
    }

    /// Removes all, the script's too. Returns how many.
    pub fn clear(&self) -> usize {
        let mut guard = self.0.entries.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *guard).len()
    }

    /// All that are not over, oldest first.
    pub fn list(&self) -> Vec<Active> {
        let now = self.0.clock.now_us();
        let listed = |e: &Arc<Entry>| {
            let FaultSpec { select, fault, for_ms, flap, .. } = e.spec.clone();
            Active {
                id: e.id.clone(),
                spec: ListedSpec { select, fault, for_ms, flap },
                active: e.active_since(now).is_some(),
                n_hits: e.n_hits.load(Ordering::Relaxed),
            }
        };
        self.snapshot().iter().filter(|e| !e.is_over(now)).map(listed).collect()
    }

    /// The faults that fall on a request at `now_us`, oldest first.
    pub(crate) fn hits(&self, target: &Target<'_>, now_us: i64) -> Vec<Hit> {
        let entries = self.snapshot();
        if entries.is_empty() {
            return Vec::new();
        }
        let hit = |entry: &Arc<Entry>| {
            let since_us = entry.active_since(now_us)?;
            entry.chooses(target).then(|| {
                entry.n_hits.fetch_add(1, Ordering::Relaxed);
                Hit { entry: entry.clone(), since_us }
            })
        };
        entries.iter().filter_map(hit).collect()
    }

    fn snapshot(&self) -> Arc<Vec<Arc<Entry>>> {
        self.0.entries.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Entry {
    /// Will never be active again.
    fn is_over(&self, now_us: i64) -> bool {
        self.cycle_us.is_none() && self.spec.for_ms.is_some_and(|ms| now_us - self.from_us >= us(ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FaultScript, Flap};

    fn entry(for_ms: Option<u64>, flap: Option<Flap>, cycle_us: Option<i64>) -> Entry {
        let spec = FaultSpec { for_ms, flap, ..FaultSpec::new(FaultKind::Html {}) };
        let (n_requests, n_hits) = (AtomicU64::new(0), AtomicU64::new(0));
        Entry { id: "x".into(), spec, from_us: 1_000, cycle_us, n_requests, n_hits }
    }

    #[test]
    fn activity_is_a_function_of_time() {
        let flap = Some(Flap { on_ms: 2, off_ms: 3 });
        for (entry, now, expected) in [
            (entry(None, None, None), 999, None),
            (entry(None, None, None), 1_000, Some(1_000)),
            (entry(Some(5), None, None), 5_999, Some(1_000)),
            (entry(Some(5), None, None), 6_000, None),
            (entry(None, flap, None), 2_999, Some(1_000)),
            (entry(None, flap, None), 3_000, None),
            (entry(None, flap, None), 6_500, Some(6_000)),
            (entry(Some(5), None, Some(20_000)), 15_000, None),
            (entry(Some(5), None, Some(20_000)), 22_000, Some(21_000)),
            (entry(None, None, Some(20_000)), 20_500, Some(1_000)),
            (entry(None, None, Some(20_000)), 21_500, Some(21_000)),
        ] {
            assert_eq!(entry.active_since(now), expected, "{:?} at {now}", entry.spec);
        }
    }

    #[test]
    fn script_from_toml() {
        let text = "cycle_ms = 20000\n[[step]]\nat_ms = 5000\nfor_ms = 1000\nselect = { channel = \"ch1\" }\nfault = { kind = \"gap\" }\n";
        let script = FaultScript::from_toml(text).expect("reads");
        let config = OriginConfig { script, ..OriginConfig::default() };
        assert_eq!(config.problems(), []);
        let clock = Clock::manual(0);
        let faults = FaultHandle::new(&config, clock.clone());
        let target = Target {
            channel: "ch1",
            format: Format::Ts,
            kind: ObjectKind::Segment,
            rendition: Some("360p"),
            number: Some(7),
        };
        assert_eq!(faults.hits(&target, 4_999_999).len(), 0);
        assert_eq!(faults.hits(&target, 5_000_000).len(), 1);
        assert_eq!(faults.hits(&target, 6_000_000).len(), 0);
        assert_eq!(faults.hits(&target, 25_500_000)[0].since_us, 25_000_000);
        let wrong =
            FaultScript::from_toml("[[step]]\nat_ms = 1\nfault = { kind = \"nonsense\" }").expect_err("refused");
        assert_eq!((wrong.field.as_str(), wrong.value.as_str()), ("line", "3"));
    }
}
