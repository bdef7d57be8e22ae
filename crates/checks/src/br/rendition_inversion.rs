use ow_domain::{Severity, Span};

use crate::br::bits;
use crate::input::MediaLoad;
use crate::media::video_of;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       A rendition that is smaller over ten minutes than one with a lower declared bit rate.
    /// Matters:       Players climb to a rendition that is worse, or pay more for nothing.
    /// Usual causes:  Renditions swapped in the playlist, a rung that follows another encoder.
    /// Stays quiet:   For other codecs, within 5 %, with less than five minutes of data, and for sound.
    id: "br-rendition-inversion", title: "Higher rendition has a lower bit rate", severity: Warning, hold: "H2", clear: "C2",
    since: "0.2", spec: [op()], input: MediaLoad, scope: Track, params: {
        margin: f64 = 0.05, "share of the rate of the lower one";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let Some((track, _)) = video_of(load) else { return };
    let (at, span) = (load.capture.exchange.t_end, Span::from_secs(600));
    let least = Span::from_secs(300);
    let family = |codecs: &Option<String>| codecs.as_deref().map(|c| c.chars().take(4).collect::<String>());
    let own = load.history.and_then(|h| h.mean(at, span)).filter(|(_, media)| *media >= least);
    let (Some((own, _)), Some(declared)) = (own, track.bandwidth) else {
        out.unknown();
        return;
    };
    // The next lower one of the same kind and codec.
    let lower = load.tracks.values().filter(|t| t.track.kind == track.kind);
    let lower = lower.filter(|t| family(&t.track.codecs) == family(&track.codecs));
    let lower = lower.filter(|t| t.track.bandwidth.is_some_and(|b| b < declared)).max_by_key(|t| t.track.bandwidth);
    let Some((rate, lower)) = lower.and_then(|t| {
        let (rate, media) = t.media.history.mean(at, span)?;
        (media >= least).then(|| (rate, t.track.id.to_string()))
    }) else {
        out.unknown();
        return;
    };
    if own >= rate * (1.0 - params.margin) {
        out.pass();
        return;
    }
    let (value, limit) = (bits(own), bits(rate));
    let message = format!("mean bit rate is {value}; more than {limit} of {lower}, which is declared lower, expected");
    out.fail(Severity::Warning, value, limit, message);
}
