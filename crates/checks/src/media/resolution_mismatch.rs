use ow_domain::Severity;

use crate::input::MediaLoad;
use crate::media::video_of;
use crate::outcome::Outcome;
use crate::registry::bis;
use crate::ts::with_number;

crate::check! {
    /// Detects:       Pictures of another size than RESOLUTION or @width and @height declare.
    /// Matters:       Players choose a rendition for the screen by what is declared and show another.
    /// Usual causes:  A ladder in the playlist that the encoder does not make, renditions swapped.
    /// Stays quiet:   For anamorphic pictures whose shape by sample aspect ratio fits, and while nothing is declared.
    id: "media-resolution-mismatch", title: "Picture size differs from declared", severity: Minor, hold: "H2", clear: "C3",
    since: "0.2", spec: [bis("4.4.6.2")], input: MediaLoad, scope: Track, params: {
        major_share: f64 = 0.1, "share of width or height";
        tol_px: f64 = 2.0, "pixels";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let Some((track, video)) = video_of(load) else { return };
    let size = video.width.zip(video.height);
    let (Some((width, height)), Some((want_width, want_height))) = (size, track.width.zip(track.height)) else {
        out.unknown();
        return;
    };
    // Declared is the size on the screen or the coded one: both are seen.
    let aspect = video.video.as_ref().and_then(|v| v.sample_aspect).unwrap_or((1, 1));
    let shown = f64::from(width) * f64::from(aspect.0) / f64::from(aspect.1.max(1));
    let off = |a: f64, b: u32| (a - f64::from(b)).abs();
    let off_width = off(f64::from(width), want_width).min(off(shown, want_width));
    let off_height = off(f64::from(height), want_height);
    if off_width <= params.tol_px && off_height <= params.tol_px {
        out.pass();
        return;
    }
    let share = (off_width / f64::from(want_width.max(1))).max(off_height / f64::from(want_height.max(1)));
    let severity = if share > params.major_share { Severity::Major } else { Severity::Minor };
    let (value, limit) = (format!("{width}x{height}"), format!("{want_width}x{want_height}"));
    let message = format!("pictures of a segment are {value}; {limit} as declared expected");
    with_number(load, out.fail(severity, value, limit, message));
}
