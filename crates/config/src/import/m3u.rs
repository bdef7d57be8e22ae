//! Playlists of players: `#EXTINF:-1 tvg-id="vtv3.vn" group-title="VTV",VTV3 HD`, then the address on a line of its own.

use std::collections::BTreeMap;

use super::name::{Names, folded};
use super::{MAX_ROWS, Row, RowProblem, shown_url, too_many, whole};
use crate::problem::{Code, clip};

const EXAMPLE: &str = "#EXTINF:-1 tvg-id=\"vtv3.vn\" group-title=\"VTV\",VTV3 HD";
/// Most attributes of a line.
const MAX_ATTRIBUTES: usize = 64;

/// What is known of the next address.
#[derive(Default)]
struct Entry {
    line: u64,
    attributes: BTreeMap<String, String>,
    title: String,
    /// `#EXTGRP`.
    group: String,
}

pub fn read(text: &str) -> Result<Vec<Row>, Vec<RowProblem>> {
    let mut lines = text.lines().enumerate().map(|(n, line)| (n as u64 + 1, line.trim()));
    let first = lines.by_ref().find(|(_, line)| !line.is_empty()).map(|(_, line)| line).unwrap_or_default();
    if first.split_whitespace().next() != Some("#EXTM3U") {
        let reason = "is the first line; a list of channels begins with #EXTM3U".to_owned();
        return Err(vec![whole("", first, reason, "#EXTM3U")]);
    }
    let (mut rows, mut names): (Vec<Row>, _) = (Vec::new(), Names::default());
    let mut entry: Option<Entry> = None;
    for (line, text) in lines {
        if text.starts_with("#EXT-X-TARGETDURATION") || text.starts_with("#EXT-X-STREAM-INF") {
            let reason = "is a tag of an HLS playlist: this is one channel, no list of channels".to_owned();
            return Err(vec![whole("", text, reason, EXAMPLE)]);
        }
        let finished = if let Some(rest) = text.strip_prefix("#EXTINF:") {
            let next = read_entry(line, rest);
            entry.replace(next).filter(|before| before.line > 0).map(|before| (before, ""))
        } else if let Some(group) = text.strip_prefix("#EXTGRP:") {
            entry.get_or_insert_default().group = group.trim().to_owned();
            None
        } else if text.is_empty() || text.starts_with('#') {
            None
        } else {
            let before = entry.take().unwrap_or_default();
            Some((Entry { line: if before.line > 0 { before.line } else { line }, ..before }, text))
        };
        if let Some((entry, url)) = finished {
            push(&mut rows, &mut names, &entry, url)?;
        }
    }
    if let Some(entry) = entry.filter(|entry| entry.line > 0) {
        push(&mut rows, &mut names, &entry, "")?;
    }
    Ok(rows)
}

/// `-1 key="value" key=value,Title`: the title begins behind the first comma outside of quotes.
fn read_entry(line: u64, text: &str) -> Entry {
    let mut in_quotes = false;
    let comma = text.char_indices().find(|(_, c)| {
        in_quotes ^= *c == '"';
        *c == ',' && !in_quotes
    });
    let (head, title) = match comma {
        Some((at, _)) => (&text[..at], text[at..].trim_start_matches(',')),
        None => (text, ""),
    };
    let mut entry = Entry { line, title: title.trim().to_owned(), ..Entry::default() };
    let mut rest = head;
    while let Some((before, after)) = rest.split_once('=') {
        let key = before.split_whitespace().last().unwrap_or_default().to_ascii_lowercase();
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(char::is_whitespace).unwrap_or((after, "")),
        };
        if !key.is_empty() && entry.attributes.len() < MAX_ATTRIBUTES {
            entry.attributes.entry(key).or_insert_with(|| value.trim().to_owned());
        }
        rest = next;
    }
    entry
}

fn push(rows: &mut Vec<Row>, names: &mut Names, entry: &Entry, url: &str) -> Result<(), Vec<RowProblem>> {
    if rows.len() == MAX_ROWS {
        return Err(too_many());
    }
    let attribute = |key: &str| entry.attributes.get(key).map(String::as_str).unwrap_or_default();
    let title = [entry.title.as_str(), attribute("tvg-name")].into_iter().find(|text| !text.is_empty());
    let mut row = Row { number: rows.len() + 1, line: entry.line, ..Row::default() };
    let candidates = [attribute("tvg-id"), attribute("tvg-name"), &entry.title];
    match candidates.into_iter().map(folded).find(|name| !name.is_empty()) {
        Some(name) => row.name = names.unique(name),
        None => {
            let reason = "has neither a tvg-id nor a title of which a name could be made".to_owned();
            row.problem("tvg-id", Code::MissingField, title.unwrap_or_default(), reason, EXAMPLE);
        }
    }
    if let Some(title) = title {
        row.fields.insert("displayName".into(), clip_title(title).into());
    }
    let group = [attribute("group-title"), &entry.group].into_iter().map(folded).find(|group| !group.is_empty());
    row.labels.extend(group.map(|group| ("group".to_owned(), group)));
    if url.is_empty() {
        row.problem(
            "url",
            Code::MissingField,
            "",
            "is missing: no address follows".into(),
            "http://10.0.0.7/vtv3.m3u8",
        );
    } else if url.contains('|') {
        let reason = "has options of a player behind '|'; headers are set on the channel".to_owned();
        row.problem("url", Code::InvalidValue, &shown_url(url), reason, "http://10.0.0.7/vtv3.m3u8");
    } else {
        row.stream("url", "main", "", url);
    }
    rows.push(row);
    Ok(())
}

/// Titles of lists may be longer than names of channels.
fn clip_title(title: &str) -> String {
    clip(title, 127)
}
