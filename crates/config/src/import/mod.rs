//! Lists of channels from elsewhere -> documents of channels: tables ([`csv`]) and playlists of players ([`m3u`]).
//!
//! A list says less than a document: what a row leaves out is taken from the caller's [`Defaults`], then from what is
//! stored under that name. So a list that names addresses changes addresses, and nothing else. Every row is looked at,
//! and every problem of it told; a problem with the text as a whole has row 0.

mod csv;
mod m3u;
mod name;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use ow_domain::Slug;
use ow_domain::config::{ConfigKind, ConfigObject};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::document::Document;
use crate::problem::{Code, Problem, clip};

pub use csv::COLUMNS;
pub use name::folded;

/// Most rows of one text.
pub const MAX_ROWS: usize = 10_000;
/// Largest text.
pub const MAX_BYTES: usize = 16 << 20;
/// Most streams of one row: `url`, `url.hls`, `url.dash`.
const MAX_STREAMS: usize = 3;

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180 with a line of column names; `,`, `;` or tab between the cells.
    Csv,
    /// `#EXTM3U` with `#EXTINF` lines, as players of television lists read it.
    M3u,
}

impl FromStr for Format {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "csv" => Ok(Self::Csv),
            "m3u" => Ok(Self::M3u),
            _ => Err(()),
        }
    }
}

/// What rows have that do not say otherwise. It goes before what is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Defaults {
    pub template: Option<Slug>,
    pub packager: Option<Slug>,
    pub region: Option<Slug>,
    /// Empty: none.
    pub probes: Vec<Slug>,
}

/// What is wrong with a row: where, which value, why, and what would be right.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RowProblem {
    /// From 1, the line of column names not counted; 0 for the whole text.
    pub row: usize,
    /// Where the row begins in the text, from 1; 0 for the whole text.
    pub line: u64,
    /// Name of the column, for M3U that of the attribute; empty when it is about the whole row.
    pub column: String,
    pub code: Code,
    /// As read, cut to 120 characters; empty when there is none.
    pub value: String,
    /// What is wrong, without a full stop.
    pub reason: String,
    /// A valid example; empty when the reason says all.
    pub example: String,
}

impl fmt::Display for RowProblem {
    /// `line 7: url "ftp://x": has the scheme "ftp"; example: http://...`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        f.write_str(&self.column)?;
        let space = if self.column.is_empty() { "" } else { " " };
        if !self.value.is_empty() {
            write!(f, "{space}{:?} ", self.value)?;
        } else {
            f.write_str(space)?;
        }
        f.write_str(&self.reason)?;
        if !self.example.is_empty() {
            write!(f, "; example: {}", self.example)?;
        }
        Ok(())
    }
}

/// One address of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowStream {
    /// Where it was read.
    pub column: &'static str,
    /// Name of a new stream.
    pub name: &'static str,
    /// `hls` or `dash`.
    pub protocol: &'static str,
    pub url: String,
}

/// A row as it was read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row {
    /// From 1.
    pub number: usize,
    /// From 1.
    pub line: u64,
    /// Name of the channel; as written when it is no name.
    pub name: String,
    /// Fields of the spec that the row says, without streams and probes.
    pub fields: Map<String, Value>,
    pub labels: BTreeMap<String, String>,
    /// Empty: not said.
    pub probes: Vec<String>,
    pub streams: Vec<RowStream>,
    /// Nothing can be made of a row with problems.
    pub problems: Vec<RowProblem>,
}

/// Reads a text. `Err`: nothing can be read of it, with problems of row 0; problems of rows are in the rows.
pub fn rows(format: Format, text: &str) -> Result<Vec<Row>, Vec<RowProblem>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > MAX_BYTES {
        let reason = format!("has {} bytes; a list has {MAX_BYTES} at most, divide it", text.len());
        return Err(vec![whole("", "", reason, "")]);
    }
    let mut rows = match format {
        Format::Csv => csv::read(text)?,
        Format::M3u => m3u::read(text)?,
    };
    if rows.is_empty() {
        return Err(vec![whole("", "", "has no rows".into(), "")]);
    }
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    for row in &mut rows {
        let number = *first.entry(row.name.clone()).or_insert(row.number);
        if number != row.number && !row.name.is_empty() {
            let reason = format!("is the name of row {number} as well");
            let name = row.name.clone();
            row.problem("name", Code::DuplicateObject, &name, reason, "");
        }
    }
    Ok(rows)
}

/// A problem of the whole text.
fn whole(column: &str, value: &str, reason: String, example: &str) -> RowProblem {
    let (code, value) = (Code::Syntax, clip(value, 120));
    RowProblem { row: 0, line: 0, column: clip(column, 80), code, value, reason, example: example.to_owned() }
}

fn too_many() -> Vec<RowProblem> {
    vec![whole("", "", format!("has more than {MAX_ROWS} rows; divide it"), "")]
}

impl Row {
    fn problem(&mut self, column: &str, code: Code, value: &str, reason: String, example: &str) {
        let problem = self.told(column, code, value, reason, example);
        self.problems.push(problem);
    }

    fn told(&self, column: &str, code: Code, value: &str, reason: String, example: &str) -> RowProblem {
        RowProblem {
            row: self.number,
            line: self.line,
            column: clip(column, 80),
            code,
            value: clip(value, 120),
            reason,
            example: example.to_owned(),
        }
    }

    /// Adds an address. `protocol`: as written, empty to tell it by the end of the path.
    fn stream(&mut self, column: &'static str, name: &'static str, protocol: &str, url: &str) {
        let known = match protocol {
            "" => protocol_of(url),
            "hls" => Some("hls"),
            "dash" => Some("dash"),
            _ => {
                let reason = "is not one of hls, dash".to_owned();
                return self.problem("protocol", Code::InvalidValue, protocol, reason, "hls");
            }
        };
        match known {
            Some(protocol) if self.streams.len() < MAX_STREAMS => {
                self.streams.push(RowStream { column, name, protocol, url: url.to_owned() });
            }
            Some(_) => {}
            None => {
                let reason = "does not end with .m3u8 or .mpd, so its protocol is not known".to_owned();
                self.problem(column, Code::InvalidValue, &shown_url(url), reason, "http://10.0.0.7/vtv3/master.m3u8");
            }
        }
    }

    /// The document that this row makes of what is stored under its name.
    pub fn document(&self, defaults: &Defaults, stored: Option<&ConfigObject>) -> Result<Document, Vec<RowProblem>> {
        if !self.problems.is_empty() {
            return Err(self.problems.clone());
        }
        let name = Slug::new(&self.name).map_err(|error| vec![self.no_name(&error.to_string())])?;
        let mut labels = stored.map(|stored| stored.labels.clone()).unwrap_or_default();
        labels.extend(self.labels.clone());
        let mut spec = match stored.map(crate::json::spec_json) {
            Some(Value::Object(spec)) => spec,
            _ => Map::new(),
        };
        let given = [("template", &defaults.template), ("packager", &defaults.packager), ("region", &defaults.region)];
        for (field, value) in given {
            if let Some(value) = value {
                spec.insert(field.into(), value.as_str().into());
            }
        }
        spec.extend(self.fields.clone());
        match (self.probes.is_empty(), defaults.probes.is_empty()) {
            (false, _) => drop(spec.insert("probes".into(), json!(self.probes))),
            (true, false) => drop(spec.insert("probes".into(), json!(defaults.probes))),
            (true, true) => {}
        }
        // Columns of the addresses, by their places among the streams.
        let mut columns = BTreeMap::new();
        let mut streams = match spec.remove("streams") {
            Some(Value::Array(streams)) => streams,
            _ => Vec::new(),
        };
        for wanted in &self.streams {
            let at = place(&streams, wanted).unwrap_or_else(|| {
                streams.push(json!({"name": wanted.name}));
                streams.len() - 1
            });
            if let Some(stream) = streams.get_mut(at).and_then(Value::as_object_mut) {
                stream.insert("protocol".into(), wanted.protocol.into());
                stream.insert("url".into(), wanted.url.clone().into());
            }
            columns.insert(at, wanted.column);
        }
        if streams.is_empty() {
            let reason = "is missing: there is no address".to_owned();
            return Err(vec![self.told("url", Code::MissingField, "", reason, "http://10.0.0.7/vtv3/master.m3u8")]);
        }
        spec.insert("streams".into(), Value::Array(streams));
        let read = crate::json::document(ConfigKind::Channel, &name, Some(&json!(labels)), Some(&Value::Object(spec)));
        read.map_err(|problems| problems.iter().map(|problem| self.of_document(problem, &columns)).collect())
    }

    fn no_name(&self, why: &str) -> RowProblem {
        let folded = name::folded(&self.name);
        let example = if folded.is_empty() { "vtv3" } else { &folded };
        self.told("name", Code::InvalidValue, "", why.to_owned(), example)
    }

    /// A refusal by somebody else's rule.
    pub fn refused(&self, column: &str, value: &str, reason: &str) -> RowProblem {
        self.told(column, Code::InvalidValue, value, reason.to_owned(), "")
    }

    /// A problem of a plan with the document of this row.
    pub fn of_plan(&self, problem: &Problem) -> RowProblem {
        self.of_document(problem, &self.streams.iter().enumerate().map(|(n, s)| (n, s.column)).collect())
    }

    fn of_document(&self, problem: &Problem, columns: &BTreeMap<usize, &'static str>) -> RowProblem {
        let pointer = problem.pointer.strip_prefix("/metadata").unwrap_or(&problem.pointer);
        let mut parts = pointer.split('/').skip(1);
        let column = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("labels"), Some(label), _, _) => format!("label.{label}"),
            (Some("spec"), Some("streams"), Some(n), field) => {
                let of_stream = n.parse().ok().and_then(|n: usize| columns.get(&n)).copied();
                match (of_stream, field) {
                    (Some(column), Some("url") | None) => column.to_owned(),
                    (_, Some(field)) => field.to_owned(),
                    (None, None) => "url".to_owned(),
                }
            }
            (Some("spec"), Some(field), _, _) => field.to_owned(),
            (Some(field), _, _, _) => field.to_owned(),
            _ => String::new(),
        };
        self.told(&column, problem.code, &problem.value, problem.reason.clone(), &problem.example)
    }
}

/// The stored stream that a row means: that of the same name, else the only one of its protocol.
fn place(streams: &[Value], wanted: &RowStream) -> Option<usize> {
    if let Some(at) = streams.iter().position(|stream| stream["name"] == wanted.name) {
        return Some(at);
    }
    let mut same = streams.iter().enumerate().filter(|(_, stream)| stream["protocol"] == wanted.protocol);
    match (same.next(), same.next()) {
        (Some((at, _)), None) => Some(at),
        _ => None,
    }
}

/// By the end of the path, as players tell it.
fn protocol_of(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    if path.ends_with(".m3u8") {
        Some("hls")
    } else if path.ends_with(".mpd") {
        Some("dash")
    } else {
        None
    }
}

/// Without what may be a secret.
fn shown_url(url: &str) -> String {
    url.split('?').next().filter(|text| !text.contains('@')).unwrap_or("(hidden)").to_owned()
}

#[cfg(test)]
mod tests;
