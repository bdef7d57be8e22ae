//! What tests share: real servers, waits, a network that can be cut, real receivers.
//!
//! Servers are started by `ow-local`, once per test process, and end with it; each test gets a bus prefix and a
//! database schema of its own. It knows no service. Start reading at [`servers`] and [`eventually`].

pub mod proxy;
pub mod receivers;
pub mod servers;
pub mod wait;

pub use proxy::Proxy;
pub use servers::{nats, postgres, test_bus, test_bus_config, test_store};
pub use wait::{DEADLINE, eventually, eventually_some};
