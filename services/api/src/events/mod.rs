//! What happens, told to whoever watches: one follower per process, many clients.
//!
//! [`follow`] gathers what has changed (alarms and configuration from Postgres, channels from KV `STATUS`), merges it and
//! writes each event once; [`hub`] keeps the last of them and gives them to the clients; [`view`] is what one client
//! wants to see. An event is the state of an object, not a difference: whoever misses one is put right by the next, and
//! whoever may have missed something is told `reset` and reads the lists again.

pub mod follow;
pub mod hub;
pub mod view;

pub use follow::{Follower, Pending};
pub use hub::{Hub, Item, Refused};
pub use view::View;
