//! Where something stands in the document.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

/// A place in the body as it was received. `line` and `column` count from 1, the column in bytes; all zero is "the
/// document as a whole".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Position {
    /// Bytes from the start of the body.
    pub offset: u32,
    pub line: u32,
    pub column: u32,
}

/// A value and where it stands: an attribute's name, or an element's `<`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct At<T> {
    pub value: T,
    pub at: Position,
}

impl<T> Deref for At<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// Finds lines of offsets.
#[derive(Debug)]
pub(crate) struct Lines {
    /// Offset of each line's first byte.
    starts: Vec<u32>,
}

impl Lines {
    pub(crate) fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at as u32 + 1);
        Self { starts: std::iter::once(0).chain(ends).collect() }
    }

    /// `shift` bytes stand before the text: a byte order mark.
    pub(crate) fn position(&self, offset: usize, shift: usize) -> Position {
        let at = u32::try_from(offset).unwrap_or(u32::MAX);
        let line = self.starts.partition_point(|start| *start <= at);
        let start = line.checked_sub(1).and_then(|line| self.starts.get(line)).copied().unwrap_or(0);
        Position {
            offset: at.saturating_add(shift as u32),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: at - start + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one() {
        let lines = Lines::of("ab\ncd\n\ne");
        for (offset, line, column) in [(0, 1, 1), (1, 1, 2), (2, 1, 3), (3, 2, 1), (6, 3, 1), (7, 4, 1)] {
            let position = lines.position(offset, 3);
            assert_eq!((position.offset as usize, position.line, position.column), (offset + 3, line, column));
        }
    }
}
