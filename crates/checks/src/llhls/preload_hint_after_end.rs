use ow_domain::Severity;

use crate::input::PartsLoad;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       EXT-X-PRELOAD-HINT in a playlist that has ended, or two hints of one type.
    /// Matters:       Players ask for something that never comes and hold the request open.
    /// Usual causes:  A packager that closes the playlist without taking the hint back.
    /// Stays quiet:   For one hint of each type in a playlist that goes on.
    id: "llhls-preload-hint-after-end", title: "Preload hint where there can be none", severity: Minor, hold: "H2",
    clear: "C1", since: "0.1", spec: [bis("4.4.5.3"), bis("6.2.6")], input: PartsLoad, scope: Track, params: {},
}

fn run(load: &PartsLoad<'_>, _: &Params, out: &mut Outcome) {
    let hints = &load.playlist.preload_hints;
    if let (Some(hint), Some(_)) = (hints.first(), load.playlist.end_list) {
        let message = "an EXT-X-PRELOAD-HINT stands beside EXT-X-ENDLIST; no hint expected";
        out.fail(Severity::Minor, "an EXT-X-PRELOAD-HINT", "no hint", message).reason("ended").line(hint.line);
        return;
    }
    let twice = hints.iter().enumerate().find(|(i, hint)| hints.iter().take(*i).any(|h| h.hint_type == hint.hint_type));
    if let Some((_, hint)) = twice {
        let message = "two hints of one type stand in the playlist; one hint expected";
        out.fail(Severity::Minor, "two hints", "one hint", message).reason("twice").line(hint.line);
        return;
    }
    out.pass();
}
