//! Stored routes and receivers -> the routing table of the alert-router.

use ow_alerting::{Route, Routes, Target};
use ow_domain::ReceiverId;
use ow_domain::config::{ConfigKind, ConfigObject};
use ow_domain::receiver::ReceiverSpec;
use serde_json::Value;

/// The order of a route that names none.
const DEFAULT_ORDER: i64 = 100;

/// Routes by `order`, then name, and all receivers. Objects that cannot be read (which no document that passed the
/// checks leads to) are left out and told of.
pub fn routes(objects: &[ConfigObject]) -> (Routes, Vec<String>) {
    let mut table = Routes::default();
    let mut faults = Vec::new();
    for object in objects.iter().filter(|o| o.kind == ConfigKind::Receiver) {
        match (ReceiverId::new(object.name.as_str()), serde_json::from_value::<ReceiverSpec>(object.spec.clone())) {
            (Ok(name), Ok(spec)) => {
                let target = Target { kind: spec.kind(), min_severity: spec.min_severity() };
                table.receivers.insert(name, target);
            }
            (Err(error), _) => faults.push(format!("receiver {:?}: {error}", object.name)),
            (_, Err(error)) => faults.push(format!("receiver {:?}: {error}", object.name)),
        }
    }
    let mut sorted: Vec<&ConfigObject> = objects.iter().filter(|o| o.kind == ConfigKind::Route).collect();
    sorted.sort_by_key(|o| (o.spec["order"].as_i64().unwrap_or(DEFAULT_ORDER), &o.name));
    for object in sorted {
        match route(object) {
            Ok(route) => table.routes.push(route),
            Err(reason) => faults.push(format!("route {:?}: {reason}", object.name)),
        }
    }
    (table, faults)
}

fn route(object: &ConfigObject) -> Result<Route, String> {
    let list = |field: &str| object.spec[field].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let matchers: Result<_, _> = list("match").iter().map(|m| text(m).parse()).collect();
    let receivers: Result<_, _> = list("receivers").iter().map(|r| ReceiverId::new(&text(r))).collect();
    Ok(Route {
        name: object.name.to_string(),
        matchers: matchers.map_err(|error: ow_alerting::MatcherError| error.to_string())?,
        receivers: receivers.map_err(|error| error.to_string())?,
        go_on: object.spec["continue"].as_bool().unwrap_or(false),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SourceFile, read};

    #[test]
    fn routes_come_in_their_order() {
        let text = "
{apiVersion: ottwatch/v1, kind: Route, metadata: {name: z}, spec: {order: 5, match: ['severity>=major'], receivers: [nms], continue: true}}
---
{apiVersion: ottwatch/v1, kind: Route, metadata: {name: a}, spec: {receivers: [nms]}}
---
{apiVersion: ottwatch/v1, kind: Route, metadata: {name: b}, spec: {order: 200, receivers: []}}
---
{apiVersion: ottwatch/v1, kind: Receiver, metadata: {name: nms}, spec: {type: snmp, target: 'nms:162'}}
";
        let documents = read(&[SourceFile { name: "a".into(), text: text.into() }]).unwrap();
        let objects: Vec<ConfigObject> = documents.into_iter().map(|d| d.object).collect();
        let (table, faults) = routes(&objects);
        assert!(faults.is_empty(), "{faults:?}");
        let names: Vec<&str> = table.routes.iter().map(|r| r.name.as_str()).collect();
        assert_eq!(names, ["z", "a", "b"]);
        assert!(table.routes[0].go_on && table.routes[0].matchers[0].to_string() == "severity>=major");
        assert_eq!(table.receivers.len(), 1);
    }
}
