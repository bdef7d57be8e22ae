//! Tables: RFC 4180 with a line of column names, as spreadsheets write them.

use csv::{ReaderBuilder, StringRecord};
use serde_json::Value;

use super::{MAX_ROWS, Row, RowProblem, name, too_many, whole};
use crate::problem::{Code, clip, nearest};

/// Known columns, beside `label.<name>`.
pub const COLUMNS: &[&str] = &[
    "name",
    "displayName",
    "url",
    "url.hls",
    "url.dash",
    "protocol",
    "template",
    "packager",
    "region",
    "probes",
    "enabled",
];
/// Before the name of a label.
const LABEL: &str = "label.";
/// Most columns of a table.
const MAX_COLUMNS: usize = 64;

pub fn read(text: &str) -> Result<Vec<Row>, Vec<RowProblem>> {
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).delimiter(separator(text)).from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    let mut next = |record: &mut StringRecord| {
        let error = |error: csv::Error| vec![whole("", "", format!("is not readable as CSV: {error}"), "")];
        reader.read_record(record).map_err(error)
    };
    if !next(&mut record)? {
        return Err(vec![whole("", "", "is empty".into(), "name,url,probes")]);
    }
    let columns = columns(&record)?;
    let mut rows = Vec::new();
    while next(&mut record)? {
        // A spreadsheet leaves rows of nothing but separators behind.
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        if rows.len() == MAX_ROWS {
            return Err(too_many());
        }
        let line = record.position().map_or(0, csv::Position::line);
        rows.push(row(rows.len() + 1, line, &columns, &record));
    }
    // Quotes come in pairs. An open one takes all that follows into its cell, the last of the text.
    if text.bytes().filter(|byte| *byte == b'"').count() % 2 == 1 {
        match rows.last_mut() {
            Some(row) => {
                row.problem(
                    "",
                    Code::Syntax,
                    "",
                    "has a quote (\") without its other one".into(),
                    "\"VTV3 \"\"HD\"\"\"",
                );
            }
            None => return Err(vec![whole("", "", "has a quote (\") without its other one".into(), "")]),
        }
    }
    Ok(rows)
}

/// That of `,`, `;` and tab which is most often in the line of names, outside of quotes.
fn separator(text: &str) -> u8 {
    let (mut counts, mut in_quotes) = ([(b',', 0_usize), (b';', 0), (b'\t', 0)], false);
    for byte in text.bytes() {
        match byte {
            b'"' => in_quotes = !in_quotes,
            b'\n' | b'\r' if !in_quotes => break,
            _ if in_quotes => {}
            _ => counts.iter_mut().filter(|(separator, _)| *separator == byte).for_each(|(_, count)| *count += 1),
        }
    }
    // The first of several that are as often.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(separator, _)| *separator)
}

fn columns(header: &StringRecord) -> Result<Vec<String>, Vec<RowProblem>> {
    let mut problems = Vec::new();
    let known = || format!("{}, label.<name>", COLUMNS.join(", "));
    if header.len() > MAX_COLUMNS {
        return Err(vec![whole("", "", format!("has more than {MAX_COLUMNS} columns"), "")]);
    }
    let names: Vec<String> = header.iter().map(|cell| cell.trim().to_owned()).collect();
    for (n, name) in names.iter().enumerate() {
        let is_label = name.strip_prefix(LABEL).is_some_and(|label| !label.is_empty());
        if !is_label && !COLUMNS.contains(&name.as_str()) {
            let near = nearest(name, COLUMNS.iter().copied());
            let hint = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
            let reason = format!("is not a known column{hint}; known are {}", known());
            let mut problem = whole(name, name, reason, near.unwrap_or("name"));
            problem.code = Code::UnknownField;
            problems.push(problem);
        } else if names.iter().take(n).any(|earlier| earlier == name) {
            let mut problem = whole(name, name, "is a column twice".into(), "");
            problem.code = Code::DuplicateField;
            problems.push(problem);
        }
    }
    if !names.iter().any(|name| name == "name") {
        let mut problem =
            whole("name", "", format!("is missing; the first line names the columns: {}", known()), "name,url");
        problem.code = Code::MissingField;
        problems.push(problem);
    }
    if problems.is_empty() { Ok(names) } else { Err(problems) }
}

fn row(number: usize, line: u64, columns: &[String], record: &StringRecord) -> Row {
    let mut row = Row { number, line, ..Row::default() };
    if record.len() > columns.len() {
        let reason = format!(
            "has {} cells; there are {} columns; quote cells that hold separators",
            record.len(),
            columns.len()
        );
        row.problem("", Code::Syntax, record.get(columns.len()).unwrap_or_default(), reason, "\"a, b\"");
        row.name = cell(columns, record, "name").to_owned();
        return row;
    }
    let protocol = cell(columns, record, "protocol").to_ascii_lowercase();
    for (column, value) in columns.iter().zip(record.iter()) {
        let value = value.trim();
        if let Some(label) = column.strip_prefix(LABEL) {
            if !value.is_empty() {
                row.labels.insert(label.to_owned(), value.to_owned());
            }
            continue;
        }
        match column.as_str() {
            "name" => read_name(&mut row, value, cell(columns, record, "displayName")),
            // An empty cell says nothing.
            _ if value.is_empty() => {}
            "url" => row.stream("url", "main", &protocol, value),
            "url.hls" => row.stream("url.hls", "hls", "hls", value),
            "url.dash" => row.stream("url.dash", "dash", "dash", value),
            "probes" => {
                let probes = value.split([';', ' ', ',']).filter(|probe| !probe.is_empty());
                row.probes = probes.take(100).map(str::to_owned).collect();
            }
            "enabled" => match value.to_ascii_lowercase().as_str() {
                "true" | "yes" | "1" => drop(row.fields.insert("enabled".into(), Value::Bool(true))),
                "false" | "no" | "0" => drop(row.fields.insert("enabled".into(), Value::Bool(false))),
                _ => row.problem("enabled", Code::InvalidValue, value, "is neither true nor false".into(), "true"),
            },
            "displayName" | "template" | "packager" | "region" => {
                row.fields.insert(column.clone(), value.into());
            }
            _ => {}
        }
    }
    row
}

fn read_name(row: &mut Row, value: &str, title: &str) {
    row.name = clip(value, 128);
    if let Err(error) = ow_domain::Slug::new(value) {
        let folded = name::folded(if value.is_empty() { title } else { value });
        let example = if folded.is_empty() { "vtv3" } else { &folded };
        row.problem("name", Code::InvalidValue, value, format!("is no name: {}", error.reason), example);
    }
}

fn cell<'a>(columns: &[String], record: &'a StringRecord, name: &str) -> &'a str {
    let at = columns.iter().position(|column| column == name);
    at.and_then(|at| record.get(at)).unwrap_or_default().trim()
}
