use ow_domain::policy::{ChannelClass, ChannelPolicy};
use ow_domain::{Severity, Span};

use super::scte35;
use crate::input::{MpdStep, PlaylistStep, StillOpen};
use crate::outcome::{Outcome, exact_seconds, seconds};

crate::check! {
    /// Detects:       A break that goes on long after it should have ended, with nothing that ends it.
    /// Matters:       Players and ad servers stay in the break: viewers get ads or a slate in place of programme.
    /// Usual causes:  A return that automation did not send, a packager restarted inside the break.
    /// Stays quiet:   For breaks that end by themselves (auto_return, a date range or event with its duration), and open ones at events.
    id: "ad-cue-out-without-in", title: "Break does not end", severity: Major, hold: "H1", clear: "C1",
    since: "0.1", spec: [scte35("9.7.3")], input: PlaylistStep, scope: Track, params: {
        break_over_s: f64 = 10.0, "seconds after the planned end";
        break_max_s: f64 = 600.0, "seconds where no duration was told";
    },
    also: { MpdStep => of_mpd },
}

fn run(input: &PlaylistStep<'_>, params: &Params, out: &mut Outcome) {
    if !input.step.is_accepted() || !input.ads.knows_breaks() {
        return;
    }
    judge(input.ads.still_open(), input.policy, params, out);
}

fn of_mpd(input: &MpdStep<'_>, params: &Params, out: &mut Outcome) {
    if input.step.is_accepted() && input.breaks.is_known {
        judge(input.breaks.still_open, input.policy, params, out);
    }
}

fn judge(open: Option<StillOpen>, policy: &ChannelPolicy, params: &Params, out: &mut Outcome) {
    let Some(open) = open else {
        out.pass();
        return;
    };
    let limit = match open.planned {
        Some(planned) => planned + Span::from_secs_f64(params.break_over_s),
        // Nobody knows how long a break of a match is.
        None if policy.class == ChannelClass::Event => {
            out.unknown();
            return;
        }
        None => Span::from_secs_f64(params.break_max_s),
    };
    if open.lasted <= limit {
        out.pass();
        return;
    }
    let (value, limit) = (seconds(open.lasted), seconds(limit));
    let message = format!("a break lasts {value} without its end; at most {limit} expected");
    let at = out.fail(Severity::Major, value, limit, message);
    if let Some(planned) = open.planned {
        at.fact("planned", exact_seconds(planned));
    }
}
