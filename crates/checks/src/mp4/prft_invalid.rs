use ow_domain::capture::ObjectKind;
use ow_domain::facts::ProducerTime;
use ow_domain::{Severity, Span, Time};

use crate::input::MediaLoad;
use crate::input::mp4 as view;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::{bmff, rfc};

crate::check! {
    /// Detects:       Producer reference times that are far from now, go back, or do not run as media time does.
    /// Matters:       Players and monitors that measure latency by them are misled.
    /// Usual causes:  A host without time synchronisation, an NTP time written in another epoch, a replayed archive.
    /// Stays quiet:   Within a day of now, and within 50 ms of the pace of media time.
    id: "mp4-prft-invalid", title: "Producer reference time is wrong", severity: Minor, hold: "H3/10", clear: "C10",
    since: "0.1", spec: [bmff("8.16.5"), rfc("DASH-IF IOP", "part 4")], input: MediaLoad, scope: Track, params: {
        from_now_s: f64 = 86400.0, "seconds";
        pace_ppm: f64 = 1000.0, "parts per million";
        pace_tol_s: f64 = 0.05, "seconds";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Segment {
        return;
    }
    let Some((facts, prft)) = view::segment(load).and_then(|(facts, mp4)| Some((facts, mp4.prft.as_ref()?))) else {
        return;
    };
    let utc = |prft: &ProducerTime| Time::from_unix_micros(prft.utc_us);
    let off = load.capture.exchange.t_end - utc(prft);
    let day = Span::from_secs_f64(params.from_now_s);
    if off.abs() > day {
        let value = exact_seconds(off.abs());
        let limit = format!("at most {}", exact_seconds(day));
        let message = format!("producer reference time is {value} from now; {limit} expected");
        out.fail(Severity::Minor, value, limit, message).reason("far");
        return;
    }
    let starts_anew = load.capture.promised.as_ref().is_none_or(|p| p.discontinuity);
    let before = load.before.filter(|_| !starts_anew).and_then(|b| b.facts.mp4.as_ref()?.prft.as_ref());
    let timescale = facts.elementary.iter().find(|e| e.id == prft.track_id).map_or(0, |e| e.timescale);
    let before = before.filter(|b| timescale > 0 && (b.track_id, b.flags) == (prft.track_id, prft.flags));
    let Some(before) = before else {
        out.pass();
        return;
    };
    let Some(ticks) = i64::try_from(prft.media_time).ok().zip(i64::try_from(before.media_time).ok()) else {
        out.unknown();
        return;
    };
    let media = view::span(ticks.0.saturating_sub(ticks.1), timescale);
    let passed = utc(prft) - utc(before);
    let tolerance = Span::from_secs_f64(params.pace_tol_s + media.secs_f64().abs() * params.pace_ppm / 1e6);
    if (passed - media).abs() <= tolerance {
        out.pass();
        return;
    }
    let value = exact_seconds(passed);
    let limit = exact_seconds(media);
    let message = format!("producer reference time advanced {value}; {limit} as media time expected");
    out.fail(Severity::Minor, value, limit, message).reason("pace");
}
