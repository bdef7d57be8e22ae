use ow_domain::{Severity, Span};

use super::target_durations;
use crate::input::PlaylistStep;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::bis;

crate::check! {
    /// Detects:       A live playlist that lists less than three target durations of media.
    /// Matters:       Players start three target durations from the end: they have no place to start or fall off the list.
    /// Usual causes:  A window set too small, segments shorter than announced, a packager that removes too early.
    /// Stays quiet:   While a channel or a new timeline fills its window, for ended and I-frame playlists.
    id: "hls-playlist-too-short", title: "Playlist window too short", severity: Major, hold: "H3", clear: "C2",
    since: "0.1", spec: [bis("6.2.2"), bis("6.3.3")], input: PlaylistStep, scope: Track, params: {
        min_target_durations: f64 = 3.0, "target durations";
        slack_s: f64 = 0.05, "seconds";
    },
}

fn run(input: &PlaylistStep<'_>, params: &Params, out: &mut Outcome) {
    let step = input.step;
    // An unchanged body says nothing new about the window.
    let Some(playlist) = input.playlist.filter(|_| step.is_accepted() && step.target_duration > Span::ZERO) else {
        return;
    };
    if matches!(step.classification, ow_timeline::Classification::Unchanged) {
        return;
    }
    let needed = target_durations(step.target_duration, params.min_target_durations);
    if step.window + Span::from_secs_f64(params.slack_s) >= needed || step.end_list.is_present() {
        out.pass();
        return;
    }
    if step.since_epoch_start < needed || playlist.i_frames_only.is_some() {
        out.unknown();
        return;
    }
    let (value, limit) = (exact_seconds(step.window), exact_seconds(needed));
    let td = exact_seconds(step.target_duration);
    let message = format!("the playlist lists {value} of media; at least {limit} expected for target duration {td}");
    out.fail(Severity::Major, value, limit, message).fact("segments listed", step.n_listed);
}
