//! SNMP: the MIB, the varbinds, and the sender behind [`TrapSender`].

pub mod mib;
pub mod sender;
pub mod varbinds;

pub use mib::{BaseOidError, Trap, mib_text};
pub use sender::{EngineSource, EngineState, SnmpSender, TrapSender};
pub use varbinds::{Notification, Sent, VarValue};
