//! The resources of `/api/v1`, one file each. A file gives its routes; a new one is a line in [`resources`].

pub mod alarms;
mod audit;
mod checks;
mod config;
mod dead_letters;
mod deliveries;
mod enrolment;
mod events;
mod evidence;
mod explain;
mod health;
mod import;
mod manifests;
mod me;
mod meta;
mod objects;
mod overview;
mod receiver_test;
mod roles;
mod session;
mod tokens;
mod users;

use std::sync::Arc;

use axum::Router;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;

use crate::Shared;
use crate::http;

pub use objects::add_schemas;
pub use users::is_name as is_user_name;

fn resources() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default()
        .merge(alarms::routes())
        .merge(audit::routes())
        .merge(config::routes())
        .merge(dead_letters::routes())
        .merge(deliveries::routes())
        .merge(evidence::routes())
        .merge(events::routes())
        .merge(explain::routes())
        .merge(health::routes())
        .merge(import::routes())
        .merge(manifests::routes())
        .merge(me::routes())
        .merge(meta::routes())
        .merge(objects::routes())
        .merge(receiver_test::routes())
        .merge(roles::routes())
        .merge(session::routes())
        .merge(tokens::routes())
        .merge(users::routes())
        .merge(overview::routes())
        .merge(checks::routes())
        .merge(enrolment::routes())
}

/// The description of `/api/v1` for programs.
pub fn openapi() -> Value {
    http::document::complete(resources().into_openapi())
}

pub fn router(shared: Arc<Shared>) -> Router {
    http::assemble(resources().into(), shared)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::http::permission::Table;

    /// (path, method) of all routes that the router itself knows. axum lists them only for people, so this reads what it
    /// prints: `RouteId(7): MethodRouter { .. allow_header: Bytes(b"GET,HEAD") }` and then `RouteId(7): "/path"`.
    fn of_router() -> BTreeSet<(String, String)> {
        let router: Router<Arc<Shared>> = resources().into();
        let text = format!("{router:?}");
        let (routes, paths) = text.split("fallback_router").next().unwrap().split_once("paths: ").unwrap();
        let by_id = |part: &'static str, text: &str| -> BTreeMap<String, String> {
            let entries = text.split("RouteId(").skip(1).map(|entry| entry.split_once(')').unwrap());
            entries.map(|(id, rest)| (id.to_owned(), quoted(rest.split(part).last().unwrap()).to_owned())).collect()
        };
        let allowed = by_id("allow_header: ", routes);
        let mut found = BTreeSet::new();
        for (id, path) in by_id("): ", paths) {
            let methods = allowed[&id].split(',').filter(|method| *method != "HEAD");
            // Actions on one thing have a form of their own inside of the router.
            let path = path.replace("/!", ":");
            found.extend(methods.map(|method| (path.clone(), method.to_owned())));
        }
        found
    }

    /// What stands between the first two quotes.
    fn quoted(text: &str) -> &str {
        text.split('"').nth(1).unwrap()
    }

    fn operations(document: &Value) -> BTreeMap<(String, String), &Value> {
        let paths = document["paths"].as_object().unwrap().iter();
        let of_path = paths.flat_map(|(path, item)| {
            let all = item.as_object().unwrap().iter();
            all.map(move |(method, operation)| ((path.clone(), method.to_uppercase()), operation))
        });
        of_path.collect()
    }

    #[test]
    fn each_route_has_an_operation_and_each_operation_a_route() {
        let document = openapi();
        let documented: BTreeSet<_> = operations(&document).into_keys().collect();
        assert!(documented.len() > 10, "{documented:?}");
        assert_eq!(of_router(), documented);
    }

    #[test]
    fn each_operation_says_what_the_guard_and_the_reader_need() {
        let document = openapi();
        let (_, errors) = Table::read(&document);
        assert!(errors.is_empty(), "{errors:?}");
        let mut ids = BTreeSet::new();
        for ((path, method), operation) in operations(&document) {
            let name = format!("{method} {path}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{name}: its operationId is taken");
            assert!(operation["summary"].as_str().is_some_and(|s| s.len() > 5), "{name} has no summary");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|s| s.starts_with(['2', '3'])), "{name} documents no success");
            for (status, answer) in responses.iter().filter(|(status, _)| status.starts_with(['4', '5'])) {
                let has_form = answer["content"].is_object() || answer["$ref"].is_string();
                assert!(has_form, "{name}: {status} has no form");
            }
            let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
            let in_path: BTreeSet<&str> =
                parameters.iter().filter(|p| p["in"] == "path").map(|p| p["name"].as_str().unwrap()).collect();
            let wanted: BTreeSet<&str> = path.split('{').skip(1).map(|rest| rest.split_once('}').unwrap().0).collect();
            assert_eq!(in_path, wanted, "{name}: parameters of the path");
            for parameter in parameters {
                let about = parameter["description"].as_str().unwrap_or_default();
                assert!(parameter["in"] != "query" || !about.is_empty(), "{name}: {} says nothing", parameter["name"]);
            }
        }
        assert_eq!(document["openapi"], "3.1.0");
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = openapi();
        let text = document.to_string();
        for reference in text.split("\"#/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(document.pointer(&format!("/{reference}")).is_some(), "{reference}");
        }
    }
}
