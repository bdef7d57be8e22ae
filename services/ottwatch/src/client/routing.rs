//! `ottwatch route explain` and `ottwatch receiver test`.

use ow_service::Exit;
use serde_json::{Map, Value, json};

use super::args::{ReceiverCommand, RouteCommand};
use super::http::{ApiError, segment};
use super::{connect, plain};
use crate::cli::TailOutput;

pub async fn explain(command: &RouteCommand) -> Result<Exit, ApiError> {
    let RouteCommand::Explain(args) = command;
    let api = connect(&args.api)?;
    let body = match &args.alarm {
        Some(alarm) => json!({"alarm": alarm}),
        None => might_be(&args.labels),
    };
    let way = api.post("routes:explain", &body).await?;
    match args.output {
        TailOutput::Json => println!("{way}"),
        TailOutput::Text => print!("{}", told(&way)),
    }
    Ok(Exit::Ok)
}

/// `label.group=sport` is a label, all else a property of the alarm; the server says which it does not know.
fn might_be(given: &[String]) -> Value {
    let (mut asked, mut labels) = (Map::new(), Map::new());
    for pair in given {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name.strip_prefix("label.") {
            Some(label) => labels.insert(label.to_owned(), value.into()),
            None => asked.insert(name.to_owned(), value.into()),
        };
    }
    if !labels.is_empty() {
        asked.insert("labels".to_owned(), labels.into());
    }
    asked.into()
}

fn told(way: &Value) -> String {
    let mut out = String::new();
    let items = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let is = |value: &Value| value.as_bool() == Some(true);
    for route in items(&way["routes"]) {
        let verdict = match (is(&route["reached"]), is(&route["matches"])) {
            (false, _) => "not reached",
            (true, false) => "does not match",
            (true, true) if is(&route["continue"]) => "matches, and goes on",
            (true, true) => "matches",
        };
        out.push_str(&format!("route {}: {verdict}\n", plain(&route["route"])));
        for matcher in items(&route["matchers"]).iter().filter(|_| is(&route["reached"])) {
            let mark = if is(&matcher["matches"]) { "yes" } else { "no " };
            out.push_str(&format!("    {mark} {}\n", plain(&matcher["matcher"])));
        }
    }
    if is(&way["default_used"]) {
        out.push_str("no route matches: the default receivers\n");
    }
    for receiver in items(&way["receivers"]) {
        let why_not = plain(&receiver["why_not"]);
        let verdict = if is(&receiver["told"]) { "is told".to_owned() } else { format!("is not told: {why_not}") };
        out.push_str(&format!("receiver {}: {verdict}\n", plain(&receiver["receiver"])));
    }
    for hidden in items(&way["suppressed_by"]) {
        let parts: Vec<String> = match &hidden {
            Value::Object(parts) => parts.values().map(plain).filter(|part| !part.is_empty()).collect(),
            other => vec![plain(other)],
        };
        out.push_str(&format!("hidden now by {}\n", parts.join(" ")));
    }
    match plain(&way["would_tell"]) {
        nobody if nobody.is_empty() => out.push_str("Nobody would be told now.\n"),
        who => out.push_str(&format!("Would be told now: {who}\n")),
    }
    out
}

pub async fn test(command: &ReceiverCommand) -> Result<Exit, ApiError> {
    let ReceiverCommand::Test(args) = command;
    let path = format!("receivers/{}:test", segment(&args.name));
    let done = connect(&args.api)?.post(&path, &json!({})).await?;
    let result = plain(&done["result"]);
    println!("{} {result} within {} ms: {}", args.name, plain(&done["took_ms"]), plain(&done["detail"]));
    Ok(if result == "delivered" { Exit::Ok } else { Exit::Failure })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_might_be_is_told_from_labels() {
        let given = ["channel=vtv3", "severity=critical", "label.group=sport", "check=a=b"].map(str::to_owned);
        let expected = json!({"channel": "vtv3", "severity": "critical", "check": "a=b", "labels": {"group": "sport"}});
        assert_eq!(might_be(&given), expected);
    }

    #[test]
    fn the_way_reads_as_a_list() {
        let way = json!({
            "routes": [
                {"route": "sport", "reached": true, "matches": false, "continue": false,
                 "matchers": [{"matcher": "label.group=sport", "matches": false}]},
                {"route": "rest", "reached": true, "matches": true, "continue": false, "matchers": []},
                {"route": "last", "reached": false, "matches": false, "continue": false, "matchers": []},
            ],
            "default_used": false,
            "receivers": [{"receiver": "boss", "told": false, "why_not": "it hears from severity critical on"}],
            "suppressed_by": [{"kind": "silence", "name": "works"}],
            "would_tell": [],
        });
        assert_eq!(
            told(&way),
            "route sport: does not match\n    no  label.group=sport\nroute rest: matches\nroute last: not reached\n\
             receiver boss: is not told: it hears from severity critical on\nhidden now by silence works\n\
             Nobody would be told now.\n"
        );
    }
}
