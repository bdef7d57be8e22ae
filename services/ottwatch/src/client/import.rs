//! `ottwatch import`.

use std::fmt::Write;
use std::io::Read;
use std::path::Path;

use ow_service::Exit;
use serde_json::Value;

use super::args::{ImportArgs, ListFormat};
use super::http::ApiError;
use super::{connect, plain, print_items};
use crate::cli::TailOutput;

pub async fn run(args: &ImportArgs) -> Result<Exit, ApiError> {
    let text = match read(&args.file) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("{} cannot be read: {error}", args.file.display());
            return Ok(Exit::Failure);
        }
    };
    let mut query = vec![
        ("dry_run", args.dry_run.to_string()),
        ("probe", args.probe.to_string()),
        ("atomic", (!args.skip_failed).to_string()),
    ];
    query
        .extend(args.format.map(|format| ("format", if format == ListFormat::Csv { "csv" } else { "m3u" }.to_owned())));
    for (name, value) in [
        ("template", &args.template),
        ("packager", &args.packager),
        ("region", &args.region),
        ("probes", &args.probes),
        ("owner", &args.owner),
    ] {
        query.extend(value.clone().map(|value| (name, value)));
    }
    let done = connect(&args.api)?.upload("channels:import", &query, "text/plain", text).await?;
    let rows = done["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    print_items(rows, args.output, "no rows", line);
    if args.output == TailOutput::Text {
        println!("{}", summary(&done));
    }
    Ok(if done["failed"] == 0 { Exit::Ok } else { Exit::Failure })
}

fn read(path: &Path) -> std::io::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(path)
}

/// `line 7  failed     vtv3  url "ftp://x" has the scheme ..; for example ..`, and what its addresses answered.
fn line(row: &Value) -> String {
    let mut out = format!("line {:<5} {:<9}  {}", plain(&row["line"]), plain(&row["result"]), plain(&row["name"]));
    let items = |name: &str| row[name].as_array().cloned().unwrap_or_default();
    for error in items("errors") {
        let value = error["value"].as_str().filter(|value| !value.is_empty());
        let value = value.map(|value| format!(" {value:?}")).unwrap_or_default();
        let _ = write!(out, "\n    {}{value} {}", plain(&error["column"]), plain(&error["reason"]));
        if let Some(example) = error["example"].as_str().filter(|example| !example.is_empty()) {
            let _ = write!(out, "; for example {example}");
        }
    }
    for probed in items("probed") {
        let column = plain(&probed["column"]);
        let _ = match probed["reason"].as_str() {
            Some(_) => write!(out, "\n    {column} {}", plain(&probed["reason"])),
            None => write!(out, "  {column}: {}, {} renditions", plain(&probed["kind"]), plain(&probed["renditions"])),
        };
    }
    out
}

fn summary(done: &Value) -> String {
    let n = |name: &str| plain(&done[name]);
    let end = match (done["applied"] == true, done["dry_run"] == true) {
        (true, _) => "",
        (false, true) => "; nothing was changed: this was a dry run",
        (false, false) => "; nothing was changed, because of the rows that failed (--skip-failed applies the others)",
    };
    let (created, updated, unchanged, failed) = (n("created"), n("updated"), n("unchanged"), n("failed"));
    format!("{created} created, {updated} updated, {unchanged} unchanged, {failed} failed{end}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_is_a_line_and_what_is_wrong_stands_under_it() {
        let good = json!({"row": 1, "line": 2, "name": "vtv1", "result": "created",
            "probed": [{"column": "url", "ok": true, "status": 200, "kind": "hls-multivariant", "renditions": 4}]});
        assert_eq!(line(&good), "line 2     created    vtv1  url: hls-multivariant, 4 renditions");
        let bad = json!({"row": 2, "line": 3, "name": "vtv2", "result": "failed",
            "errors": [{"column": "url", "code": "invalid-value", "value": "ftp://o/a.m3u8", "reason": "is no address",
                "example": "http://o/a.m3u8"}],
            "probed": [{"column": "url", "ok": false, "reason": "answers 404, not 200"}]});
        assert_eq!(
            line(&bad),
            "line 3     failed     vtv2\n    url \"ftp://o/a.m3u8\" is no address; for example http://o/a.m3u8\n    \
             url answers 404, not 200"
        );
        let done = json!({"created": 1, "updated": 0, "unchanged": 0, "failed": 1, "applied": false, "dry_run": false});
        assert!(
            summary(&done).starts_with("1 created, 0 updated, 0 unchanged, 1 failed; nothing was changed, because")
        );
    }
}
