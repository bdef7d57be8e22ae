//! Rules that need the document as a whole.

use crate::{Issue, IssueKind, Mpd};

pub(crate) fn audit(mpd: &Mpd, out: &mut dyn FnMut(Issue)) {
    if mpd.periods.is_empty() {
        out(Issue::new(mpd.at, IssueKind::NoPeriod, "Period", "", "at least one"));
    }
}
