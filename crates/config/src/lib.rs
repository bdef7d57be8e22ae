//! Configuration as documents. Pure.
mod problem;
pub mod yaml;
pub use problem::{Code, Path, Problem};
