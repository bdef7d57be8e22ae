//! Configuration as documents: YAML text -> checked objects -> plan of changes -> compiled channel policy.
//!
//! Pure: no file, clock or database; texts and stored objects come in, problems or values go out. It refuses to know
//! where documents lie and how objects are kept.

mod problem;
pub mod yaml;

pub use problem::{Code, Path, Problem};
