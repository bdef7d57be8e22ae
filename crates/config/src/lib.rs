//! Configuration as documents: YAML text -> checked objects -> plan of changes -> compiled channel policy.
//!
//! Pure: no file, clock or database; texts and stored objects come in, problems or values go out. It refuses to know
//! where documents lie and how objects are kept. Start reading at [`read`], then [`plan`] and [`compile_all`]; the
//! fields of each kind are the tables in `kinds`.

mod compile;
mod document;
mod emit;
#[cfg(test)]
mod generated;
pub mod import;
mod json;
mod json_schema;
mod kinds;
mod ladder;
mod meaning;
mod origin;
mod placement;
mod plan;
mod problem;
mod quiet;
mod refs;
mod routing;
mod schema;
mod secrets;
pub mod units;
pub mod yaml;

pub use compile::{CompileError, MAX_TEMPLATE_CHAIN, Settings, compile, compile_all, template_settings};
pub use document::{API_VERSION, Document, MAX_DOCUMENTS, SourceFile, read};
pub use emit::{document as export_document, export};
pub use json::{document as document_of, in_body, read_json, spec_json};
pub use json_schema::{labels_schema, spec_schema};
pub use kinds::may_be_empty;
pub use ladder::ladder_spec;
pub use origin::{EffectiveValue, Origin, Overridden, effective, thresholds};
pub use plan::{FieldChange, Owner, Plan, Update, plan, plan_edits};
pub use problem::{Code, Path, Problem};
pub use quiet::{group_scope, maintenance, silences};
pub use refs::loose_names;
pub use routing::routes;
pub use schema::MAX_PROBLEMS;
pub use secrets::{HIDDEN, SEALED, VALUE, replace_secrets, without_secrets};
