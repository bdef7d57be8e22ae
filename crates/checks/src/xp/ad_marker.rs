use ow_domain::{Severity, Span};

use crate::input::Presentations;
use crate::outcome::{Outcome, exact_seconds};
use crate::registry::op;

crate::check! {
    /// Detects:       A break that HLS tells and DASH does not, or the other way round, or one that begins or lasts otherwise there.
    /// Matters:       Viewers of one protocol see no ads, or lose programme to them: breaks are sold for both.
    /// Usual causes:  A packager that drops events of one output, cues that are converted for HLS alone.
    /// Stays quiet:   Until both live edges are two refreshes past the break, and while one of them has never told any break.
    id: "xp-ad-marker", title: "HLS and DASH tell other breaks", severity: Minor, hold: "EV, H3/10", clear: "C10",
    since: "0.3", spec: [op()], input: Presentations, scope: Stream, params: {
        cue_match_s: f64 = 1.0, "seconds";
        duration_tol_s: f64 = 0.5, "seconds";
    },
}

fn run(input: &Presentations<'_>, params: &Params, out: &mut Outcome) {
    for pair in &input.breaks {
        let (here, there) = if pair.is_hls { ("HLS", "DASH") } else { ("DASH", "HLS") };
        let near = pair.partner.filter(|(off, _)| off.abs() <= Span::from_secs_f64(params.cue_match_s));
        let Some((_, planned)) = near else {
            // Off in both directions is one fault, told from the side of HLS.
            if !pair.is_hls && pair.partner.is_some() {
                out.unknown();
                continue;
            }
            let limit = "one within a second";
            let value = match pair.partner {
                Some((off, _)) => format!("the nearest {} off", exact_seconds(off.abs())),
                None => "none".to_owned(),
            };
            let message = format!("{here} has a break at {}, {there} {value}; {limit} expected", pair.at);
            out.fail(Severity::Minor, value, limit, message).reason("missing");
            continue;
        };
        let differs =
            pair.planned.zip(planned).filter(|(a, b)| (*a - *b).abs() > Span::from_secs_f64(params.duration_tol_s));
        match differs {
            // Told once for both.
            Some((own, other)) if pair.is_hls => {
                let (value, limit) = (exact_seconds(own), exact_seconds(other));
                let message = format!("HLS plans a break at {} for {value}; {limit} as in DASH expected", pair.at);
                out.fail(Severity::Minor, value, limit, message).reason("duration");
            }
            _ => {
                out.pass();
            }
        }
    }
}
