use ow_domain::Severity;

use crate::input::PlaylistStep;
use crate::outcome::Outcome;
use crate::registry::{bis, has};

crate::check! {
    /// Detects:       A live playlist without any EXT-X-PROGRAM-DATE-TIME.
    /// Matters:       Sync of renditions, start-over and ad decisions lack wall clock; Apple demands the tag for live.
    /// Usual causes:  A packager option that is off, an old packager version.
    /// Stays quiet:   Unless the rules of Apple are switched on for the channel (`apple_rules`), and for playlists that ended.
    id: "hls-pdt-missing", title: "No program date-time", severity: Minor, hold: "H3", clear: "C1",
    since: "0.1", spec: [has("8.2"), bis("4.4.4.6")], input: PlaylistStep, scope: Track, params: {},
}

fn run(input: &PlaylistStep<'_>, _: &Params, out: &mut Outcome) {
    let Some(playlist) = input.playlist.filter(|_| input.policy.checks.apple_rules) else { return };
    if !input.step.is_accepted() || playlist.end_list.is_some() || playlist.segments.is_empty() {
        out.unknown();
        return;
    }
    if playlist.segments.iter().any(|s| s.program_date_time.is_some()) {
        out.pass();
        return;
    }
    let (value, limit) = ("no EXT-X-PROGRAM-DATE-TIME", "one");
    let message = format!("the live playlist has {value} on {} segments; {limit} expected", playlist.segments.len());
    out.fail(Severity::Minor, value, limit, message);
}
