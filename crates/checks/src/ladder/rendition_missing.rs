use ow_domain::Span;

use crate::input::{DeliveryState, LadderLoad};
use crate::outcome::{Outcome, seconds};
use crate::registry::op;

crate::check! {
    /// Detects:       A rendition of the channel's contract that the manifest does not offer, or of which no segment comes.
    /// Matters:       Viewers with a good line get a worse picture than was sold, those with a bad one stall.
    /// Usual causes:  An encoder output that died, a packager started with another profile, a changed template upstream.
    /// Stays quiet:   While only breaks are on air, and for a rendition whose playlist fails, which is another alarm.
    id: "ladder-rendition-missing", title: "Agreed rendition missing", severity: Major, hold: "H2", clear: "C1",
    since: "0.1", spec: [op()], input: LadderLoad, scope: Stream, params: {
        rendition_dead_s: f64 = 60.0, "seconds without any segment";
    },
}

fn run(input: &LadderLoad<'_>, params: &Params, out: &mut Outcome) {
    let Some(agreed) = input.agreed.filter(|a| !a.contract.video.is_empty()) else {
        out.unknown();
        return;
    };
    let rungs = &agreed.contract.video;
    let limit = format!("all {} of the contract", rungs.len());
    let missing: Vec<usize> =
        (0..rungs.len()).filter(|n| agreed.matched.video.get(*n).is_none_or(Option::is_none)).collect();
    if missing.is_empty() {
        out.pass().reason("missing");
    } else {
        let value = format!("{} missing: {}", super::renditions(missing.len()), super::list(&missing, rungs));
        let severity = super::loss(&missing, rungs);
        super::with_difference(out.fail(severity, &value, &limit, format!("{value}; {limit} expected")), input)
            .reason("missing");
    }

    let patience = Span::from_secs_f64(params.rendition_dead_s);
    let (mut dead, mut longest, mut n_unknown) = (Vec::new(), Span::ZERO, 0);
    for (n, at) in agreed.matched.video.iter().enumerate() {
        match at.and_then(|at| input.delivered.get(at)).map(|d| d.state) {
            Some(DeliveryState::Dead(since)) if since >= patience => {
                dead.push(n);
                longest = longest.max(since);
            }
            Some(DeliveryState::NoPlaylist) => n_unknown += 1,
            _ => {}
        }
    }
    if !dead.is_empty() {
        let value = format!("no segment of {} for {}", super::list(&dead, rungs), seconds(longest));
        let limit = format!("one within {}", seconds(patience));
        let message = format!("{value} though offered; {limit} expected");
        super::with_difference(out.fail(super::loss(&dead, rungs), value, limit, message), input).reason("dead");
    } else if n_unknown > 0 {
        out.unknown().reason("dead");
    } else {
        out.pass().reason("dead");
    }
}

#[cfg(test)]
mod tests {
    use ow_domain::Severity;
    use ow_domain::ladder::VideoRung;

    #[test]
    fn the_two_best_or_all_are_critical() {
        let rungs: Vec<VideoRung> =
            [360, 1080, 720].map(|height| VideoRung { width: height, height, ..VideoRung::default() }).into();
        for (lost, severity) in [
            (vec![0], Severity::Major),
            (vec![1], Severity::Major),
            (vec![1, 2], Severity::Critical),
            (vec![0, 1], Severity::Major),
            (vec![0, 1, 2], Severity::Critical),
        ] {
            assert_eq!(super::super::loss(&lost, &rungs), severity, "{lost:?}");
        }
    }
}
