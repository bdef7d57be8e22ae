use ow_domain::{Severity, Span};

use crate::input::Load;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       A certificate of the presented chain that expires soon.
    /// Matters:       On the day it expires every viewer loses the stream at once.
    /// Usual causes:  Automatic renewal that stopped, or a node that was left out.
    /// Stays quiet:   For short-lived certificates until a third, a sixth and a twelfth of their life are left.
    id: "http-tls-cert-expiry", title: "Certificate expires soon", severity: Warning, hold: "H1", clear: "C1",
    since: "0.1", spec: [op()], input: Load, scope: Host, params: {
        cert_warning_d: f64 = 21.0, "days";
        cert_minor_d: f64 = 7.0, "days";
        cert_major_d: f64 = 2.0, "days";
    },
}

fn run(load: &Load<'_>, params: &Params, out: &mut Outcome) {
    let exchange = &load.capture.exchange;
    let Some((tls, not_after)) = exchange.tls.as_ref().and_then(|tls| Some((tls, tls.not_after?))) else {
        return;
    };
    let left = not_after - exchange.t_end;
    let validity = tls.not_before.map(|from| not_after - from).filter(|v| *v > Span::ZERO);
    let limit = |days: f64, parts: i64| {
        let fixed = Span::from_secs_f64(days * 86_400.0);
        validity.map_or(fixed, |v| fixed.min(v.mul_ratio(1, parts)))
    };
    let levels = [
        (Severity::Major, limit(params.cert_major_d, 12)),
        (Severity::Minor, limit(params.cert_minor_d, 6)),
        (Severity::Warning, limit(params.cert_warning_d, 3)),
    ];
    let Some((severity, limit)) = levels.into_iter().find(|(_, limit)| left < *limit) else {
        out.pass();
        return;
    };
    let days = |span: Span| format!("{:.1} d", span.secs_f64() / 86_400.0);
    let message = format!(
        "the certificate of {} is valid for {} more; at least {} expected",
        load.host(),
        days(left),
        days(limit)
    );
    out.fail(severity, days(left), days(limit), message)
        .fact("not after", not_after)
        .fact("leaf SHA-256", tls.leaf_sha256.as_deref().unwrap_or("unknown"));
}
