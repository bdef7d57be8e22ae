//! `{$name}` substitution by EXT-X-DEFINE (BIS 4.3, 4.4.2.3).

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::issue::IssueKind;
use crate::limits::MAX_EXPANDED_BYTES;
use crate::parser::Reporter;

/// What a playlist may refer to from outside of its text. [`Variables::default`] is right for a Multivariant Playlist
/// without query parameters.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    imported: BTreeMap<Box<str>, Box<str>>,
    query: Box<str>,
    defined: BTreeMap<Box<str>, Box<str>>,
    n_expanded_bytes: usize,
}

impl Variables {
    /// For a playlist loaded from `url`: its query gives QUERYPARAM values.
    pub fn for_url(url: &str) -> Self {
        let without_fragment = url.split_once('#').map_or(url, |(head, _)| head);
        let query = without_fragment.split_once('?').map_or("", |(_, query)| query);
        Self { query: query.into(), ..Self::default() }
    }

    /// Adds what IMPORT may name: the resolved definitions of the Multivariant Playlist.
    #[must_use]
    pub fn importing(mut self, defines: &[crate::Define]) -> Self {
        for define in defines {
            if let Some(value) = &define.value {
                self.imported.insert(define.name.clone(), value.clone());
            }
        }
        self
    }

    pub(crate) fn import(&self, name: &str) -> Option<Box<str>> {
        self.imported.get(name).cloned()
    }

    pub(crate) fn query_param(&self, name: &str) -> Option<Box<str>> {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| percent_decode(key) == name)
            .map(|(_, value)| percent_decode(value).into())
    }

    /// False when the name is already defined.
    pub(crate) fn define(&mut self, name: &str, value: Box<str>) -> bool {
        if self.defined.contains_key(name) {
            return false;
        }
        self.defined.insert(name.into(), value);
        true
    }

    /// Replaces every `{$name}`; an unknown one stays as written and is reported. The result is not searched again.
    pub(crate) fn expand<'a>(&mut self, text: &'a str, line: u32, report: &mut Reporter) -> Cow<'a, str> {
        if !text.contains("{$") {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("{$") {
            let Some(length) = rest[start..].find('}') else { break };
            let name = &rest[start + 2..start + length];
            out.push_str(&rest[..start]);
            match self.defined.get(name) {
                Some(value) if self.n_expanded_bytes.saturating_add(value.len()) <= MAX_EXPANDED_BYTES => {
                    self.n_expanded_bytes += value.len();
                    out.push_str(value);
                }
                Some(_) => report.limit(line, "MAX_EXPANDED_BYTES"),
                None => {
                    report.issue(line, IssueKind::VariableUndefined, name);
                    out.push_str(&rest[start..=start + length]);
                }
            }
            rest = &rest[start + length + 1..];
        }
        out.push_str(rest);
        Cow::Owned(out)
    }
}

fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = |at: usize| bytes.get(at).and_then(|&b| (b as char).to_digit(16));
        match (bytes[i], hex(i + 1), hex(i + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                i += 3;
            }
            (b, ..) => {
                out.push(b);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
