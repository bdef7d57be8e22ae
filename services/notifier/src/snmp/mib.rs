//! The MIB, as numbers for the sender and as text for the management station.
//!
//! The shape is frozen: numbers are never reused and varbinds only added at the end, because stations read them by
//! position (docs of Netcool and SNMPTT rules: `$1..$n`).

use ow_domain::Severity;

/// One notification type per severity, since many stations grade by trap OID alone. Arcs below `<base>.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trap {
    Critical,
    Major,
    Minor,
    Warning,
    Indeterminate,
    Clear,
    StateChange,
    Heartbeat,
    ResyncBegin,
    ResyncEnd,
}

impl Trap {
    pub const ALL: [Self; 10] = [
        Self::Critical,
        Self::Major,
        Self::Minor,
        Self::Warning,
        Self::Indeterminate,
        Self::Clear,
        Self::StateChange,
        Self::Heartbeat,
        Self::ResyncBegin,
        Self::ResyncEnd,
    ];

    /// Last number of the OID.
    pub const fn arc(self) -> u32 {
        match self {
            Self::Critical => 1,
            Self::Major => 2,
            Self::Minor => 3,
            Self::Warning => 4,
            Self::Indeterminate => 5,
            Self::Clear => 10,
            Self::StateChange => 11,
            Self::Heartbeat => 20,
            Self::ResyncBegin => 21,
            Self::ResyncEnd => 22,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Critical => "owAlarmCritical",
            Self::Major => "owAlarmMajor",
            Self::Minor => "owAlarmMinor",
            Self::Warning => "owAlarmWarning",
            Self::Indeterminate => "owAlarmIndeterminate",
            Self::Clear => "owAlarmClear",
            Self::StateChange => "owAlarmStateChange",
            Self::Heartbeat => "owHeartbeat",
            Self::ResyncBegin => "owResyncBegin",
            Self::ResyncEnd => "owResyncEnd",
        }
    }

    /// The notification of an alarm of this severity.
    pub const fn of(severity: Severity) -> Self {
        match severity {
            Severity::Critical => Self::Critical,
            Severity::Major => Self::Major,
            Severity::Minor => Self::Minor,
            Severity::Warning => Self::Warning,
            Severity::Info | Severity::Indeterminate => Self::Indeterminate,
            Severity::Cleared => Self::Clear,
        }
    }
}

/// Columns of `owActiveTable` (`<base>.1.2.1.<column>.<incident number>`).
pub mod column {
    pub const ID: u32 = 2;
    pub const SEVERITY: u32 = 3;
    pub const STATE: u32 = 4;
    pub const CHANNEL: u32 = 5;
    pub const CHECK: u32 = 6;
    pub const TEXT: u32 = 7;
    pub const PROBE: u32 = 9;
    pub const URL: u32 = 10;
    pub const GROUP: u32 = 11;
}

/// Objects that are in notifications only (`<base>.1.3.<n>.0`).
pub mod notify_only {
    pub const SEQUENCE: u32 = 1;
    pub const EVENT_TIME: u32 = 2;
    pub const RESEND: u32 = 3;
    pub const HEARTBEAT_INTERVAL: u32 = 4;
}

/// Scalars (`<base>.1.1.<n>.0`).
pub mod scalar {
    pub const INSTANCE_NAME: u32 = 1;
    pub const ACTIVE_COUNT: u32 = 4;
}

/// The enterprises arc of SMI.
const ENTERPRISES: &str = "1.3.6.1.4.1.";
const BODY: &str = include_str!("ottwatch-mib.template");

/// The base OID is not one that a MIB can be written for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an object identifier of 4 to 40 numbers; for example \"1.3.6.1.4.1.8072.9999.9999.7168\"")]
pub struct BaseOidError(pub String);

/// The MIB for an arc: what `ottwatch snmp mib --base-oid` prints.
pub fn mib_text(base_oid: &str) -> Result<String, BaseOidError> {
    if !ow_domain::receiver::is_oid(base_oid) {
        return Err(BaseOidError(base_oid.to_owned()));
    }
    let (import, parent, arcs) = match base_oid.strip_prefix(ENTERPRISES) {
        Some(rest) => ("enterprises, ", "enterprises", rest),
        None => match base_oid.strip_prefix("1.3.6.1.") {
            Some(rest) => ("internet, ", "internet", rest),
            None => ("", "", base_oid),
        },
    };
    let numbers = arcs.replace('.', " ");
    let identity = format!("{parent} {numbers}");
    let note = if base_oid == ow_domain::receiver::DEFAULT_BASE_OID {
        "This arc is a placeholder: it lies in the private playpen of\n\
         \x20           Net-SNMP, meant for experiments. An operator with a Private\n\
         \x20           Enterprise Number sets an arc of their own and has this module\n\
         \x20           printed for it: ottwatch snmp mib --base-oid OID."
    } else {
        "Printed for the arc of this installation by\n\
         \x20           ottwatch snmp mib --base-oid OID."
    };
    Ok(BODY.replace("@IMPORT@", import).replace("@IDENTITY@", identity.trim()).replace("@NOTE@", note))
}
