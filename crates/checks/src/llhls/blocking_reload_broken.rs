use ow_domain::{Severity, Span};

use crate::input::{ReloadAnswer, ReloadLoad};
use crate::outcome::{Outcome, seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       A server that promises to hold a playlist request back, and answers with an older playlist, with an error, or not at all.
    /// Matters:       Low-latency players ask in a tight loop, fall behind the live edge, or freeze.
    /// Usual causes:  A CDN that ignores the query string, a packager that implements one of the two request forms only.
    /// Stays quiet:   For 503 after three target durations, when the encoder stands still, and when the connection itself fails.
    id: "llhls-blocking-reload-broken", title: "Blocking playlist reload does not work", severity: Major, hold: "H2/5",
    clear: "C3", since: "0.1", spec: [bis("6.2.5.2")], input: ReloadLoad, scope: Track, params: {
        give_up_tds: f64 = 3.0, "target durations";
    },
}

fn run(load: &ReloadLoad<'_>, params: &Params, out: &mut Outcome) {
    let form = if load.asked.part.is_some() { "part" } else { "segment" };
    let wanted = match load.asked.part {
        Some(part) => format!("part {part} of segment {}", load.asked.msn),
        None => format!("segment {}", load.asked.msn),
    };
    let took = seconds(load.took);
    // The server counts its patience from when the request came in.
    let patience = load.target_duration.map(|td| super::times(td, params.give_up_tds) - Span::from_millis(500));
    let gave_up = patience.is_some_and(|patience| load.took >= patience);
    let (value, what) = match load.answer {
        ReloadAnswer::Reached => {
            out.pass().reason(form);
            return;
        }
        ReloadAnswer::Older { newest, n_parts } if !gave_up => {
            (format!("segment {newest} and {n_parts} parts"), "a playlist with")
        }
        ReloadAnswer::Status(status)
            if !(matches!(status, 401 | 403 | 429) || gave_up && matches!(status, 503 | 504)) =>
        {
            (format!("status {status}"), "")
        }
        ReloadAnswer::None => ("no answer".to_owned(), ""),
        ReloadAnswer::Older { .. } | ReloadAnswer::Status(_) | ReloadAnswer::Unsure => {
            out.unknown().reason(form);
            return;
        }
    };
    let space = if what.is_empty() { "" } else { " " };
    let message = format!("a blocking reload gave {what}{space}{value} after {took}; {wanted} expected");
    out.fail(Severity::Major, value, wanted, message).reason(form).fact("time to the answer", took);
}
