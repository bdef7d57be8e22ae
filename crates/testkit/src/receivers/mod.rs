//! What stands in for the people and machines that are told: the real snmptrapd, and small servers that take mail,
//! Slack calls and webhooks, keep what they got, and fail on request. All on loopback, on free ports.

mod http;
pub mod mibs;
mod smtp;
mod snmptrapd;

use std::time::Duration;

pub use http::{HttpFault, SlackCall, SlackSink, WebhookRequest, WebhookSink};
pub use smtp::{Mail, SmtpOptions, SmtpSecurity, SmtpSink};
pub use snmptrapd::{SnmpTrapd, Trap, TrapdOptions, V3User};

/// Waits until `probe` gives something; panics with `what` when it does not in time.
pub(crate) async fn until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Result<T, String>) -> T {
    let end = tokio::time::Instant::now() + limit;
    loop {
        match probe() {
            Ok(found) => return found,
            Err(state) if tokio::time::Instant::now() > end => panic!("not within {limit:?}: {what}; {state}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
