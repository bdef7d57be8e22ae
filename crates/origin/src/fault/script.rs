//! Faults by time since start.

use serde::{Deserialize, Serialize};

use super::{FaultError, FaultKind, FaultSpec, Flap, Selector};
use crate::config::OriginConfig;

const STEPS_MAX: usize = 1_000;

/// Faults at times, once or in a cycle. TOML:
/// ```toml
/// cycle_ms = 600000
/// [[step]]
/// at_ms = 60000
/// for_ms = 30000
/// select = { channel = "ch1" }
/// fault = { kind = "frozen-playlist" }
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultScript {
    /// Begins again after so long; `None`: runs once.
    pub cycle_ms: Option<u64>,
    #[serde(rename = "step")]
    pub steps: Vec<ScriptStep>,
}

/// One fault of a script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptStep {
    /// Since start, or since the cycle began.
    pub at_ms: u64,
    /// `None`: for ever; in a cycle it begins anew each time.
    #[serde(default)]
    pub for_ms: Option<u64>,
    #[serde(default)]
    pub select: Selector,
    pub fault: FaultKind,
    #[serde(default)]
    pub flap: Option<Flap>,
}

impl FaultScript {
    /// What the demo shows: channels `ch2` to `ch5` go wrong in turn within ten minutes, again and again; all others stay clean.
    pub fn demo() -> FaultScript {
        // A test reads it; were it broken, the demo would show no faults.
        FaultScript::from_toml(include_str!("../../assets/demo.toml")).unwrap_or_default()
    }

    /// Reads TOML.
    pub fn from_toml(text: &str) -> Result<FaultScript, FaultError> {
        toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(0, |s| text[..s.start.min(text.len())].matches('\n').count() + 1);
            FaultError::new(
                "line",
                line,
                e.message(),
                r#"[[step]] at_ms = 60000, fault = { kind = "frozen-playlist" }"#,
            )
        })
    }

    /// The first problem, with the step's place in `field`.
    pub(crate) fn check(&self, config: &OriginConfig) -> Result<(), FaultError> {
        if self.cycle_ms == Some(0) {
            return Err(FaultError::new("cycle_ms", 0, "must be at least 1, or left out", "600000"));
        }
        if self.steps.len() > STEPS_MAX {
            return Err(FaultError::new("step", self.steps.len(), format!("at most {STEPS_MAX} steps"), "10"));
        }
        for (i, step) in self.steps.iter().enumerate() {
            let at = |e: FaultError| FaultError { field: format!("step[{i}].{}", e.field), ..e };
            step.spec().check(config).map_err(at)?;
            let end = step.at_ms.saturating_add(step.for_ms.unwrap_or(0));
            if let Some(cycle) = self.cycle_ms
                && end > cycle
            {
                let reason = format!("ends after the cycle of {cycle} ms");
                return Err(at(FaultError::new("at_ms", step.at_ms, reason, "0")));
            }
        }
        Ok(())
    }
}

impl ScriptStep {
    pub(crate) fn spec(&self) -> FaultSpec {
        FaultSpec {
            id: None,
            select: self.select.clone(),
            fault: self.fault.clone(),
            for_ms: self.for_ms,
            flap: self.flap,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_can_be_played() {
        let script = FaultScript::demo();
        assert!(script.steps.len() >= 5);
        let config = OriginConfig { n_channels: Some(5), script, ..OriginConfig::default() };
        assert_eq!(config.problems(), []);
    }
}
