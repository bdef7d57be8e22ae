//! References against bases (RFC 3986 §5).

use crate::MAX_URL_BYTES;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

fn split(text: &str) -> Parts<'_> {
    let (rest, fragment) = match text.split_once('#') {
        Some((rest, fragment)) => (rest, Some(fragment)),
        None => (text, None),
    };
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    let (scheme, rest) = match rest.split_once(':') {
        Some((scheme, tail)) if is_scheme(scheme) => (Some(scheme), tail),
        _ => (None, rest),
    };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            (Some(&rest[..end]), &rest[end..])
        }
        None => (None, rest),
    };
    Parts { scheme, authority, path, query, fragment }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// `reference` against `base` (RFC 3986 §5.2.2). `None` when neither is absolute, or when the result is longer than
/// [`MAX_URL_BYTES`]. Nothing is escaped or checked beyond the grammar of the parts.
pub fn resolve(base: &str, reference: &str) -> Option<String> {
    if base.len() > MAX_URL_BYTES || reference.len() > MAX_URL_BYTES {
        return None;
    }
    let (b, r) = (split(base), split(reference));
    let merged;
    let (authority, path, query) = if r.scheme.is_some() || r.authority.is_some() {
        (r.authority, r.path, r.query)
    } else if r.path.is_empty() {
        (b.authority, b.path, r.query.or(b.query))
    } else if r.path.starts_with('/') {
        (b.authority, r.path, r.query)
    } else {
        merged = if b.authority.is_some() && b.path.is_empty() {
            format!("/{}", r.path)
        } else {
            let directory = b.path.rfind('/').map_or("", |slash| &b.path[..=slash]);
            format!("{directory}{}", r.path)
        };
        (b.authority, merged.as_str(), r.query)
    };
    let scheme = r.scheme.or(b.scheme)?;
    let mut out = format!("{scheme}:");
    if let Some(authority) = authority {
        out.push_str("//");
        out.push_str(authority);
    }
    // The base is used as it stands when the reference has no path of its own.
    if r.path.is_empty() && r.authority.is_none() && r.scheme.is_none() {
        out.push_str(path);
    } else {
        push_without_dots(path, &mut out);
    }
    for (mark, part) in [('?', query), ('#', r.fragment)] {
        if let Some(part) = part {
            out.push(mark);
            out.push_str(part);
        }
    }
    (out.len() <= MAX_URL_BYTES).then_some(out)
}

/// RFC 3986 §5.2.4.
fn push_without_dots(path: &str, out: &mut String) {
    let mut kept: Vec<&str> = Vec::new();
    let absolute = path.starts_with('/');
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    if absolute {
        out.push('/');
    }
    out.push_str(&kept.join("/"));
}

/// An absolute `http:` or `https:` URL with a host.
pub fn is_http(url: &str) -> bool {
    let parts = split(url);
    let scheme = parts.scheme.unwrap_or_default();
    let host = parts.authority.unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
        && !host.is_empty()
        && !host.starts_with(':')
        && !host.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_standard() {
        for (reference, expected) in [
            ("g:h", "g:h"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q#s"),
            ("g#s", "http://a/b/c/g#s"),
            ("g?y#s", "http://a/b/c/g?y#s"),
            (";x", "http://a/b/c/;x"),
            ("g;x", "http://a/b/c/g;x"),
            ("g;x?y#s", "http://a/b/c/g;x?y#s"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("../../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            (".g", "http://a/b/c/.g"),
            ("g..", "http://a/b/c/g.."),
            ("..g", "http://a/b/c/..g"),
            ("./../g", "http://a/b/g"),
            ("./g/.", "http://a/b/c/g/"),
            ("g/./h", "http://a/b/c/g/h"),
            ("g/../h", "http://a/b/c/h"),
            ("g;x=1/./y", "http://a/b/c/g;x=1/y"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/./x", "http://a/b/c/g?y/./x"),
            ("g#s/../x", "http://a/b/c/g#s/../x"),
            ("http:g", "http:g"),
        ] {
            assert_eq!(resolve("http://a/b/c/d;p?q", reference).as_deref(), Some(expected), "{reference:?}");
        }
        assert_eq!(resolve("http://a", "g").as_deref(), Some("http://a/g"));
        assert_eq!(resolve("http://a?x=/1", "g").as_deref(), Some("http://a/g"));
        assert_eq!(resolve("a/b", "g"), None);
        assert_eq!(resolve("http://a/", &"g".repeat(9_000)), None);
        assert_eq!(resolve("https://h/x.mpd", "seg 1:2.m4s").as_deref(), Some("https://h/seg 1:2.m4s"));
    }

    #[test]
    fn http_urls() {
        for (url, expected) in [
            ("http://a/", true),
            ("HTTPS://a:8080", true),
            ("https://u@a/", true),
            ("https:///a", false),
            ("https://:80/a", false),
            ("ftp://a/", false),
            ("/a", false),
            ("http:a", false),
            ("https://a b/", false),
        ] {
            assert_eq!(is_http(url), expected, "{url}");
        }
    }
}
