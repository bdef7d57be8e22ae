use ow_domain::Severity;

use super::with_number;
use crate::input::MediaLoad;
use crate::outcome::Outcome;
use crate::registry::bis;

crate::check! {
    /// Detects:       Segments whose PAT names more than one programme.
    /// Matters:       Players take any of them, and the bytes of the others are wasted.
    /// Usual causes:  A multiplex passed through instead of one programme of it.
    /// Stays quiet:   For the network entry of the PAT, programme 0.
    id: "ts-multi-program", title: "More than one programme in segment", severity: Minor, hold: "H2", clear: "C10", since: "0.2",
    spec: [bis("3.1.1")], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    let Some(ts) = load.ts().filter(|ts| ts.sync_losses == 0) else {
        out.unknown();
        return;
    };
    let n = ts.psi.n_programs.saturating_sub(1);
    if n == 0 {
        out.pass();
        return;
    }
    let (value, limit) = (
        if n == 1 { "2 programmes in its PAT".to_owned() } else { format!("{n} programmes more than one in its PAT") },
        "one",
    );
    let message = format!("a segment has {value}; {limit} expected");
    with_number(load, out.fail(Severity::Minor, value, limit, message));
}
