use ow_domain::capture::TrackKind;
use ow_domain::policy::ChannelPolicy;
use ow_domain::{Severity, Span};

use crate::input::{MpdStep, PlaylistStep};
use crate::outcome::{Outcome, seconds};
use crate::registry::op;

crate::check! {
    /// Detects:       No advertisement break for much longer than the channel's longest interval between breaks.
    /// Matters:       Breaks that are not told cannot be sold.
    /// Usual causes:  Cues no longer pass the encoder or packager, automation that stopped sending them.
    /// Stays quiet:   On channels without `ad_break_interval_s`, inside a break, and while the playlist itself stands still.
    id: "ad-break-missing", title: "No advertisement break", severity: Minor, hold: "H1", clear: "C1",
    since: "0.1", spec: [op()], input: PlaylistStep, scope: Track, params: {
        interval_factor: f64 = 1.5, "times the longest interval";
    },
    also: { MpdStep => of_mpd },
}

fn run(input: &PlaylistStep<'_>, params: &Params, out: &mut Outcome) {
    let pictures = input.capture.track.as_ref().is_none_or(|t| matches!(t.kind, TrackKind::Video | TrackKind::Muxed));
    if pictures && input.step.is_accepted() {
        judge(input.policy, input.ads.in_break(), input.ads.since_break(), params, out);
    }
}

fn of_mpd(input: &MpdStep<'_>, params: &Params, out: &mut Outcome) {
    if let Some(since) = input.breaks.since_break.filter(|_| input.step.is_accepted()) {
        judge(input.policy, input.breaks.in_break, since, params, out);
    }
}

fn judge(policy: &ChannelPolicy, in_break: bool, since: Span, params: &Params, out: &mut Outcome) {
    let interval = policy.checks.ad_break_interval_s.filter(|s| s.is_finite() && *s > 0.0);
    let Some(interval) = interval else { return };
    let limit = Span::from_secs_f64(interval * params.interval_factor);
    if in_break || since <= limit {
        out.pass();
        return;
    }
    let (value, limit) = (seconds(since), seconds(limit));
    let message = format!("{value} of media without a break; one at least every {limit} expected");
    out.fail(Severity::Minor, value, limit, message);
}
