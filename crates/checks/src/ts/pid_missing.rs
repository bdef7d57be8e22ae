use ow_domain::facts::EsKind;
use ow_domain::{Severity, Span};

use super::{kind_name, sound_and_pictures, tr290, with_number};
use crate::input::MediaLoad;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       A video or audio stream that the PMT announces and of which a segment holds no packet.
    /// Matters:       Picture or sound is gone while everything else looks well.
    /// Usual causes:  A lost input of the encoder, a muxer that keeps a stream in its tables after it died.
    /// Stays quiet:   For SCTE-35, ID3 and subtitles, for audio of very short segments, and when the whole segment is empty.
    id: "ts-pid-missing", title: "Announced stream has no packets", severity: Major, hold: "H2", clear: "C3",
    since: "0.1", spec: [tr290("1.6"), op()], input: MediaLoad, scope: Track, params: {
        short_s: f64 = 0.5, "seconds below which a segment may lack audio";
    },
}

fn run(load: &MediaLoad<'_>, params: &Params, out: &mut Outcome) {
    let tables = |ts: &&ow_domain::facts::TsFacts| ts.sync_losses == 0 && !ts.psi.pes_before_pmt;
    let (Some(ts), Some(facts)) = (load.ts().filter(tables), load.facts) else {
        out.unknown();
        return;
    };
    let all_empty = facts.elementary.iter().all(|e| e.n_access_units == 0 && e.payload_bytes == 0);
    if facts.elementary.is_empty() || all_empty {
        out.unknown();
        return;
    }
    let is_short = load.declared_duration().is_none_or(|d| d < Span::from_secs_f64(params.short_s));
    for (kind, reason) in [(EsKind::Video, "video"), (EsKind::Audio, "audio")] {
        let n_of_kind = sound_and_pictures(facts).filter(|e| e.kind == kind).count();
        let silent: Vec<u32> = sound_and_pictures(facts)
            .filter(|e| e.kind == kind && ts.silent_pids.iter().any(|pid| u32::from(*pid) == e.id))
            .map(|e| e.id)
            .collect();
        if n_of_kind == 0 {
            continue;
        }
        match silent.first() {
            None => {
                out.pass().reason(reason);
            }
            Some(_) if kind == EsKind::Audio && is_short => {
                out.unknown().reason(reason);
            }
            Some(pid) => {
                let major = kind == EsKind::Video || silent.len() == n_of_kind;
                let severity = if major { Severity::Major } else { Severity::Minor };
                let (value, limit) = (format!("no {} packet on PID {pid}", kind_name(kind)), "one at least");
                let message = format!("a segment has {value}, which its PMT announces; {limit} expected");
                let at = out.fail(severity, value, limit, message).reason(reason);
                with_number(load, at.fact("silent streams", silent.len()));
            }
        }
    }
}
