//! The notifier against real receivers: net-snmp's snmptrapd, an SMTP server, Slack's answers, a webhook.

mod bench;
mod contract;
mod email;
mod mib;
#[allow(dead_code, reason = "each test uses its part")]
#[path = "../../src/sample.rs"]
mod sample;
mod slack;
mod snmp;
mod webhook;
