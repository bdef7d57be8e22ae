use ow_domain::{Severity, Span};

use crate::input::{AdEvent, ContFault, PlaylistStep};
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::op;

crate::check! {
    /// Detects:       EXT-X-CUE-OUT-CONT with a wrong elapsed time or another duration, or missing on a segment of the break.
    /// Matters:       Players that join inside the break get ads of the wrong length.
    /// Usual causes:  Counters kept by wall clock or by segment count, a packager that counts what is left.
    /// Stays quiet:   Within a second (whole seconds are usual), and for breaks without the tag.
    id: "ad-cue-cont-inconsistent", title: "CUE-OUT-CONT is inconsistent", severity: Minor, hold: "H2/10", clear: "C5",
    since: "0.1", spec: [op()], input: PlaylistStep, scope: Track, params: {
        elapsed_tol_s: f64 = 1.0, "seconds";
    },
}

fn run(input: &PlaylistStep<'_>, params: &Params, out: &mut Outcome) {
    let within = Span::from_secs_f64(params.elapsed_tol_s);
    for event in &input.ads.events {
        let AdEvent::Cont { line, msn, fault } = event else { continue };
        let (value, limit, message) = match fault {
            None => {
                out.pass();
                continue;
            }
            Some(ContFault::Elapsed { told, media }) if (*told - *media).abs() <= within => {
                out.pass();
                continue;
            }
            Some(ContFault::Elapsed { told, media }) => {
                let (value, limit) = (exact_seconds(*told), exact_seconds(*media));
                let message = format!(
                    "segment {msn} is told to be {value} into its break; {limit} of media expected, within {}",
                    exact_seconds(within)
                );
                (value, limit, message)
            }
            Some(ContFault::Duration { told, before }) => {
                let (value, limit) = (exact_seconds(*told), exact_seconds(*before));
                let message = format!("the break at segment {msn} is to last {value} now; {limit} as before expected");
                (value, limit, message)
            }
            Some(ContFault::Missing) => {
                let (value, limit) = ("no EXT-X-CUE-OUT-CONT".to_owned(), "one as on the others".to_owned());
                let message = format!("segment {msn} inside a break has {value}; {limit} expected");
                (value, limit, message)
            }
        };
        out.fail(Severity::Minor, value, limit, message).line(*line);
    }
}
