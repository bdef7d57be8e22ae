//! Alarms that tell of others (CHECKS 1.3): while one of the parents stands on a stream, a failing child answers unknown there.

/// What moves all times of a rendition moves them against the others too.
const TIMES: &[&str] = &["mp4-tfdt-discontinuity", "mp4-tfdt-overflow"];

/// Child and parents, where the child's input is not broken but its failure has been told.
const PARENTS: &[(&str, &[&str])] = &[
    ("dash-number-drift", &["mp4-tfdt-vs-manifest", "dash-start-number-skew", "dash-number-mapping-changed"]),
    ("http-stale-age", &["hls-stale-copy-served"]),
    ("dash-segment-expired-early", &["http-status-segment"]),
    // What never answered has not expired.
    ("hls-segment-expired-early", &["http-status-segment"]),
    ("hls-align-media-timestamp", TIMES),
    ("hls-align-segment-boundary", &["hls-align-media-timestamp", "mp4-tfdt-discontinuity", "mp4-tfdt-overflow"]),
    ("mp4-tfdt-vs-manifest", &["mp4-tfdt-discontinuity", "dash-start-number-skew"]),
    ("seg-cross-rendition-boundary", TIMES),
];

/// The parents of a check.
pub(super) fn of(check: &str) -> &'static [&'static str] {
    PARENTS.iter().find(|(child, _)| *child == check).map_or(&[], |(_, parents)| parents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;

    #[test]
    fn parents_and_children_exist_and_form_no_ring() {
        for (child, parents) in PARENTS {
            assert!(registry::find(child).is_some(), "{child}");
            for parent in *parents {
                assert!(registry::find(parent).is_some(), "{parent}");
                assert!(!of(parent).contains(child), "{parent} and {child} hide each other");
            }
        }
    }
}
