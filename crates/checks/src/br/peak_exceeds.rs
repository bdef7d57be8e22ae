use ow_domain::capture::{ObjectKind, Protocol, TrackKind};
use ow_domain::{Severity, Span};

use crate::br::bits;
use crate::input::MediaLoad;
use crate::outcome::Outcome;
use crate::registry::{bis, has};

crate::check! {
    /// Detects:       Segments whose bit rate, with that of the audio beside them, is above the BANDWIDTH of their variant.
    /// Matters:       Players choose by BANDWIDTH: they pick a variant that their line cannot carry, and stall.
    /// Usual causes:  BANDWIDTH that is an average, audio left out of it, an encoder without a cap.
    /// Stays quiet:   Up to 25 % above it is information only; for a short piece on its own, and while nothing is declared.
    id: "br-peak-exceeds", title: "Peak bit rate above BANDWIDTH", severity: Minor, hold: "H3/20", clear: "C20",
    since: "0.1", spec: [bis("4.4.6.2"), has("9.1")], input: MediaLoad, scope: Track, params: {
        peak_warn: f64 = 1.0, "times BANDWIDTH";
        peak_minor: f64 = 1.25, "times BANDWIDTH";
        peak_major: f64 = 1.5, "times BANDWIDTH";
        clear_share: f64 = 0.95, "share of peak_warn";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Segment || load.capture.protocol != Protocol::Hls {
        return;
    }
    let Some(track) = load.track.filter(|t| matches!(t.kind, TrackKind::Video | TrackKind::Muxed)) else { return };
    let longest = || load.history.and_then(|h| h.samples().map(|s| s.media).max());
    let target = load.target_duration.or_else(longest).filter(|t| *t > Span::ZERO);
    let declared = track.bandwidth.filter(|b| *b > 0);
    let sound = load.is_whole() && load.facts.is_some() && load.is_sound();
    let (Some(declared), Some(target), Some(number), true) = (declared, target, load.number(), sound) else {
        out.unknown();
        return;
    };
    let Some(own) = load.history.and_then(|h| h.peak_around(number, target)) else {
        out.unknown();
        return;
    };
    // Which audio group a variant uses is not known here: the smallest one is surely part of it.
    let audio = load.tracks.values().filter(|t| t.track.kind == TrackKind::Audio && t.track.bandwidth.is_none());
    let audio_peak =
        audio.filter_map(|t| t.media.history.peak(t.target_duration.unwrap_or(target))).reduce(f64::min).unwrap_or(0.0);
    let beside = if track.kind == TrackKind::Video { audio_peak } else { 0.0 };
    let peak = own + beside;
    let ratio = peak / declared as f64;
    let severity = if ratio > params.peak_major {
        Severity::Major
    } else if ratio > params.peak_minor {
        Severity::Minor
    } else if ratio > params.peak_warn {
        Severity::Info
    } else {
        if ratio > params.peak_warn * params.clear_share {
            out.between();
        } else {
            out.pass();
        }
        return;
    };
    let (value, limit) = (bits(peak), bits(declared as f64));
    let message = format!("peak bit rate is {value}; at most {limit} as BANDWIDTH declares expected");
    let mut at = out.fail(severity, value, limit, message).fact("times BANDWIDTH", format!("{ratio:.2}"));
    if beside > 0.0 {
        at = at.fact("of it audio beside", bits(beside));
    }
    // The usual defect: the declared value is the average.
    if let Some((mean, _)) = load.history.and_then(|h| h.mean(load.capture.exchange.t_end, Span::from_secs(3_600))) {
        at = at.fact("mean bit rate", bits(mean));
    }
    at.fact("segment number", number);
}
