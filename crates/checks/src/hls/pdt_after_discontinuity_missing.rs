use ow_domain::Severity;
use ow_domain::policy::ChannelClass;

use crate::input::PlaylistStep;
use crate::outcome::Outcome;
use crate::registry::{bis, op};

crate::check! {
    /// Detects:       A segment after a DISCONTINUITY without date-time in a playlist that uses date-times.
    /// Matters:       Players lose the map from media time to wall clock at the seam.
    /// Usual causes:  A packager that writes date-times only at a start, a splice of foreign segments.
    /// Stays quiet:   For channels of class `fast`, where inserted segments often have none by design.
    id: "hls-pdt-after-discontinuity-missing", title: "No program date-time after a discontinuity", severity: Minor, hold: "H2", clear: "C2",
    since: "0.1", spec: [bis("6.2.1"), op()], input: PlaylistStep, scope: Track, params: {},
}

fn run(input: &PlaylistStep<'_>, _: &Params, out: &mut Outcome) {
    let Some(playlist) = input.playlist.filter(|_| input.step.is_accepted()) else { return };
    let uses = playlist.segments.iter().any(|s| s.program_date_time.is_some());
    if input.policy.class == ChannelClass::Fast || !uses {
        return;
    }
    // The head has lost what stood before it; a gap has no media to place.
    let seams = || playlist.segments.iter().skip(1).filter(|s| s.discontinuity.is_some() && s.gap.is_none());
    let Some(bare) = seams().find(|s| s.program_date_time.is_none()) else {
        out.pass();
        return;
    };
    let (value, limit) = ("no EXT-X-PROGRAM-DATE-TIME", "one");
    let message = format!("segment {} after a DISCONTINUITY has {value}; {limit} expected", bare.msn);
    out.fail(Severity::Minor, value, limit, message).line(bare.discontinuity.unwrap_or(0)).fact("segment", &bare.uri);
}
