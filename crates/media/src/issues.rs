//! What is wrong in the bytes: the first few are kept, all are counted.

use ow_domain::facts::MediaIssue;

/// Issues kept per segment.
const MAX_ISSUES: usize = 32;

#[derive(Debug, Default)]
pub(crate) struct Issues {
    kept: Vec<MediaIssue>,
    n: u32,
}

impl Issues {
    pub(crate) fn add(&mut self, kind: &'static str, offset: u64, detail: impl FnOnce() -> String) {
        self.n = self.n.saturating_add(1);
        if self.kept.len() < MAX_ISSUES {
            self.kept.push(MediaIssue { kind: kind.to_owned(), offset, detail: detail() });
        }
    }

    pub(crate) fn into_parts(self) -> (u32, Vec<MediaIssue>) {
        (self.n, self.kept)
    }
}
