use ow_domain::Severity;
use ow_domain::capture::ObjectKind;
use ow_domain::policy::ChannelClass;

use crate::input::Load;
use crate::outcome::Outcome;
use crate::registry::has;

crate::check! {
    /// Detects:       Too many redirects in a row, a redirect from https to http, redirects of media.
    /// Matters:       Each costs players a round trip per request; a downgrade is refused by browsers.
    /// Usual causes:  Load balancing by redirect, a rule for http that catches https, moved storage.
    /// Stays quiet:   For one redirect of the entry to a session URL, for media of ad-supported (FAST) channels, and for loops, which http-status-manifest and http-status-segment tell.
    id: "http-redirect", title: "Redirects cost or harm", severity: Warning, hold: "H2", clear: "C3",
    since: "0.1", spec: [has("1.27")], input: Load, scope: Track, params: {
        redirect_max: f64 = 3.0, "redirects";
    },
}

fn run(load: &Load<'_>, params: &Params, out: &mut Outcome) {
    let exchange = &load.capture.exchange;
    if load.response().is_none_or(|r| r.status >= 400) {
        out.unknown();
        return;
    }
    let n = exchange.redirects.len();
    let steps = std::iter::once(exchange.url.as_str()).chain(exchange.redirects.iter().map(|r| r.location.as_str()));
    let mut was_https = false;
    let mut downgraded = false;
    for step in steps {
        downgraded |= was_https && step.starts_with("http:");
        // A relative Location keeps the scheme.
        was_https = step.starts_with("https:") || was_https && !step.starts_with("http:");
    }
    if downgraded {
        let message = format!("a {} on https redirects to http; https all the way expected", load.object_name());
        out.fail(Severity::Minor, "http", "https all the way", message).reason("downgrade");
    } else {
        out.pass().reason("downgrade");
    }
    let limit = params.redirect_max;
    if n as f64 > limit {
        let (value, limit) = (format!("{n} redirects"), format!("{limit:.0}"));
        let message = format!("a {} is behind {value}; at most {limit} expected", load.object_name());
        out.fail(Severity::Warning, value, limit, message).reason("hops");
    } else {
        out.pass().reason("hops");
    }
    let media = matches!(load.capture.object, ObjectKind::Segment | ObjectKind::Init);
    if !media || load.policy.class == ChannelClass::Fast {
        return;
    }
    if n > 0 {
        let value = format!("{n} redirect{}", if n == 1 { "" } else { "s" });
        let message = format!("a {} is behind {value}; media without redirects expected", load.object_name());
        out.fail(Severity::Warning, value, "media without redirects", message).reason("media");
    } else {
        out.pass().reason("media");
    }
}
