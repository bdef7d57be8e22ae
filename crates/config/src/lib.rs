//! Configuration as documents: YAML text -> checked objects -> plan of changes -> compiled channel policy.
//!
//! Pure: no file, clock or database; texts and stored objects come in, problems or values go out. It refuses to know
//! where documents lie and how objects are kept. Start reading at [`read`], then [`plan`] and [`compile_all`]; the
//! fields of each kind are the tables in `kinds`.

mod compile;
mod document;
mod emit;
mod kinds;
mod ladder;
mod meaning;
mod plan;
mod problem;
mod routing;
mod schema;
pub mod units;
pub mod yaml;

pub use compile::{CompileError, MAX_TEMPLATE_CHAIN, Settings, compile, compile_all, template_settings};
pub use document::{API_VERSION, Document, MAX_DOCUMENTS, SourceFile, read};
pub use emit::{document as export_document, export};
pub use ladder::ladder_spec;
pub use plan::{FieldChange, Plan, Unlisted, Update, plan};
pub use problem::{Code, Path, Problem};
pub use routing::routes;
pub use schema::MAX_PROBLEMS;
