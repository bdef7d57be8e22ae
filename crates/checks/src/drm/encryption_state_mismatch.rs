use ow_domain::capture::{ObjectKind, Protocol, TrackKind};
use ow_domain::facts::{Container, EsKind, SegmentFacts};
use ow_domain::{Severity, Span};

use crate::input::MediaLoad;
use crate::input::mp4 as view;
use crate::outcome::Outcome;
use crate::registry::{bis, cenc};

crate::check! {
    /// Detects:       Segments in the clear where the playlist says that they are encrypted, or the other way round.
    /// Matters:       Paid content goes out unprotected, or players show nothing because they have no key.
    /// Usual causes:  A packager that lost its key server, encryption switched in one place only, a wrong playlist template.
    /// Stays quiet:   For clear lead and clear sample groups, sound left clear on purpose, and where the bytes do not tell.
    id: "drm-encryption-state-mismatch", title: "Encryption is not as declared", severity: Critical, hold: "H1",
    clear: "C3", since: "0.1", spec: [bis("4.4.4.4"), cenc("8.2")], input: MediaLoad, scope: Track, params: {
        clear_lead_s: f64 = 0.0, "seconds of media time from zero that may be clear";
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Clear,
    /// Protected, or in the clear as protected content may be.
    Protected,
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let text = load.track.is_some_and(|t| t.kind == TrackKind::Text);
    let Some(promised) = load.capture.promised.as_ref().filter(|_| load.capture.object == ObjectKind::Segment) else {
        return;
    };
    let method = promised.key_method.as_deref();
    let unknown_in_mpd = method.is_none() && load.capture.protocol == Protocol::Dash;
    let Some(facts) = load.capture.facts.as_ref().filter(|_| load.is_whole() && !text && !unknown_in_mpd) else {
        out.unknown();
        return;
    };
    let state = if load.is_hidden() { whole_segment(facts) } else { samples(load, facts) };
    let Some(state) = state else {
        out.unknown();
        return;
    };
    match (method, state) {
        (Some(_), State::Protected) | (None, State::Clear) => {
            out.pass();
        }
        (Some(method), State::Clear) => {
            if is_clear_lead(facts, params.clear_lead_s) {
                out.pass();
                return;
            }
            let limit = format!("{method} as declared");
            let at = out.fail(
                Severity::Critical,
                "in the clear",
                limit.clone(),
                format!("a segment is in the clear; {limit} expected"),
            );
            let at = at.reason("sent-clear");
            if let Some(number) = load.number() {
                at.fact("segment number", number);
            }
        }
        (None, State::Protected) => {
            let limit = "clear media, as no key is declared";
            let at =
                out.fail(Severity::Critical, "encrypted", limit, format!("a segment is encrypted; {limit}, expected"));
            let at = at.reason("key-missing");
            if let Some(number) = load.number() {
                at.fact("segment number", number);
            }
        }
    }
}

/// Bytes that should be ciphertext from first to last.
fn whole_segment(facts: &SegmentFacts) -> Option<State> {
    match facts.container {
        Container::MpegTs => {
            let ts = facts.ts.as_ref()?;
            (ts.n_packets >= 3 && ts.sync_losses == 0 && ts.psi.n_pat > 0).then_some(State::Clear)
        }
        Container::IsoBmff => {
            let mp4 = facts.mp4.as_ref()?;
            (mp4.n_fragments > 0 && !view::is_broken(facts)).then_some(State::Clear)
        }
        Container::PackedAudio => facts.elementary.iter().any(|e| e.n_access_units > 2).then_some(State::Clear),
        Container::Unknown => Some(State::Protected),
        Container::WebVtt | Container::Text | Container::Empty => None,
    }
}

/// Samples that may be encrypted one by one.
fn samples(load: &MediaLoad<'_>, facts: &SegmentFacts) -> Option<State> {
    let is_declared = load.capture.promised.as_ref().is_some_and(|p| p.key_method.is_some());
    let states: Vec<(EsKind, State)> = match facts.container {
        Container::MpegTs => {
            let of = |e: &ow_domain::facts::ElementaryFacts| {
                (e.kind, if e.encrypted { State::Protected } else { State::Clear })
            };
            let media = facts.elementary.iter().filter(|e| matches!(e.kind, EsKind::Video | EsKind::Audio));
            media.filter(|e| e.n_access_units > 0).map(of).collect()
        }
        Container::IsoBmff => {
            view::segment(load)?;
            let init = load.init?;
            let of = |(run, e): (&ow_domain::facts::Mp4Run, &ow_domain::facts::ElementaryFacts)| {
                let track = view::track_of(init, run)?;
                let wrapped = view::entry_of(track, run)?.starts_with("enc");
                let default = track.protection.as_ref().and_then(|p| p.is_protected).unwrap_or(true);
                let group = run.is_protected;
                let state = match (wrapped, is_declared) {
                    // Under a protected entry single samples and groups may be clear.
                    (true, true) if default || group.is_some() => State::Protected,
                    (true, false) if group.unwrap_or(default) => State::Protected,
                    _ => State::Clear,
                };
                Some((e.kind, state))
            };
            let runs = view::runs(facts).filter(|(_, e)| matches!(e.kind, EsKind::Video | EsKind::Audio));
            runs.map(of).collect::<Option<_>>()?
        }
        _ => return None,
    };
    if states.is_empty() {
        return None;
    }
    if states.iter().any(|(_, state)| *state == State::Protected) {
        return Some(State::Protected);
    }
    // Sound without pictures is often left clear on purpose.
    let sound_alone = states.iter().all(|(kind, _)| *kind == EsKind::Audio);
    (!(sound_alone && is_declared)).then_some(State::Clear)
}

fn is_clear_lead(facts: &SegmentFacts, lead_s: f64) -> bool {
    let start = facts.main().and_then(|m| m.seconds(m.first_dts?));
    start.is_some_and(|start| Span::from_secs_f64(start) < Span::from_secs_f64(lead_s))
}
