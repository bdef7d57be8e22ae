//! Probe self-monitoring (CHECKS 3.20): never about a channel, the subject is a fetcher process. They run on the reports
//! of a probe about itself; in the judge of a channel the same facts only decide what is not believed (docs/adr/0008).

mod clock_offset;
mod egress_saturated;
mod heartbeat_missing;
mod memory_pressure;
mod network_control_failed;
mod probe_starved;
mod rate_limited;
mod time_step;

use crate::registry::CheckDef;

/// In the order in which parents come before children.
pub(crate) const CHECKS: &[&CheckDef] = &[
    &heartbeat_missing::CHECK,
    &clock_offset::CHECK,
    &time_step::CHECK,
    &network_control_failed::CHECK,
    &probe_starved::CHECK,
    &egress_saturated::CHECK,
    &memory_pressure::CHECK,
    &rate_limited::CHECK,
];
