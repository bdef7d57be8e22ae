use ow_domain::Severity;

use crate::input::{Aligned, AlignedTrack};
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       SERVER-CONTROL attributes that differ between the renditions of a stream.
    /// Matters:       A player that changes rendition asks in a way that the other does not serve.
    /// Usual causes:  Renditions served by different versions or settings of a packager.
    /// Stays quiet:   For another PART-HOLD-BACK where the part targets differ.
    id: "hls-align-server-control", title: "SERVER-CONTROL differs between renditions", severity: Minor, hold: "H2",
    clear: "C1", since: "0.1", spec: [bis("6.2.4")], input: Aligned, scope: Track, params: {},
}

fn run(input: &Aligned<'_>, _: &Params, out: &mut Outcome) {
    let same_target = input.tracks.iter().all(|t| t.shape.part_target_us == input.tracks[0].shape.part_target_us);
    let describe = |t: &AlignedTrack<'_>| {
        let hold_back = t.shape.part_hold_back_us.filter(|_| same_target);
        let hold_back = hold_back.map(|us| format!(",PART-HOLD-BACK={:.3}", us as f64 / 1e6)).unwrap_or_default();
        t.shape.server_control.as_ref().map_or_else(|| "no SERVER-CONTROL".to_owned(), |c| format!("{c}{hold_back}"))
    };
    let odd = super::odd_ones(input, input.tracks.iter(), describe);
    let is_odd = |id| odd.as_ref().is_some_and(|(_, odd)| odd.iter().any(|t| t.id == id));
    for track in input.tracks.iter().filter(|t| !is_odd(t.id)) {
        out.pass().on_track(track.id);
    }
    let Some((usual, odd)) = &odd else { return };
    for track in odd {
        let short = |text: &str| text.chars().take(90).collect::<String>();
        let (value, limit) = (short(&describe(track)), short(usual));
        let message = format!("playlist has {value}; {limit} expected");
        out.fail(Severity::Minor, value, limit, message).on_track(track.id);
    }
}
