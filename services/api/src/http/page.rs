//! Pages of lists: limit, opaque cursor, sort.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Most items of one page.
pub const MAX_LIMIT: u32 = 500;
pub const DEFAULT_LIMIT: u32 = 100;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// For `cursor`; null on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
    /// All that match, over all pages; only with `count=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

impl<T> Page<T> {
    pub fn new(items: Vec<T>, next_cursor: Option<String>) -> Self {
        Self { items, next_cursor, total: None }
    }

    /// From up to `limit + 1` items, the keyset way: one more than wanted means that there is a next page, which begins
    /// behind the last item shown.
    pub fn cut<K: Serialize>(mut items: Vec<T>, limit: u32, sort: &str, key: impl Fn(&T) -> K) -> Self {
        let limit = limit as usize;
        if items.len() <= limit {
            return Self::new(items, None);
        }
        items.truncate(limit);
        let next = items.last().map(|last| encode(sort, &key(last)));
        Self::new(items, next)
    }
}

/// The parameters of every list. Read them with [`super::Query::limit`], [`super::Query::cursor`].
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes parameters; Query reads them")]
pub struct PageParams {
    /// Items of one page.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before, with the same filters and order.
    #[param(max_length = 1024)]
    cursor: Option<String>,
    /// Of each item only these fields: `name,status.severity`.
    #[param(max_length = 1024)]
    fields: Option<String>,
}

/// What a cursor holds: where the page before ended, in which order.
#[derive(Serialize, Deserialize)]
struct Inside<K> {
    s: String,
    k: K,
}

/// `key`: of the last item shown; `sort`: the order, so that a cursor of another one is refused.
pub fn encode<K: Serialize>(sort: &str, key: &K) -> String {
    let inside = serde_json::to_vec(&Inside { s: sort.to_owned(), k: key }).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(inside)
}

/// `None`: not a cursor of a list in this order.
pub fn decode<K: DeserializeOwned>(sort: &str, cursor: &str) -> Option<K> {
    let inside = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let inside: Inside<K> = serde_json::from_slice(&inside).ok()?;
    (inside.s == sort).then_some(inside.k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_behind_the_last_item_in_its_own_order() {
        let page = Page::cut(vec![3, 5, 8], 2, "number", |n| *n);
        assert_eq!(page.items, [3, 5]);
        let cursor = page.next_cursor.unwrap();
        assert_eq!(decode::<i32>("number", &cursor), Some(5));
        assert_eq!(decode::<i32>("-number", &cursor), None, "another order");
        assert_eq!(decode::<String>("number", &cursor), None, "another list");
        assert!(cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{cursor}");
        assert_eq!(Page::cut(vec![3, 5], 2, "number", |n| *n).next_cursor, None);
        for bad in ["", "x", "7", "bnVsbA", "đ"] {
            assert_eq!(decode::<i32>("number", bad), None, "{bad}");
        }
    }
}
