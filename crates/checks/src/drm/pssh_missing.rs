use ow_domain::Severity;
use ow_domain::capture::ObjectKind;

use crate::input::MediaLoad;
use crate::input::mp4 as view;
use crate::outcome::Outcome;
use crate::registry::cenc;

crate::check! {
    /// Detects:       Headers of a DRM system in the fragments that differ from those of the initialization section.
    /// Matters:       Players take one or the other: some ask for a licence that opens nothing.
    /// Usual causes:  Keys changed in one place only, two DRM configurations in one packager.
    /// Stays quiet:   When fragments carry no headers, and when they name keys of their own, as rotation does.
    id: "drm-pssh-missing", title: "DRM headers differ by place", severity: Info, hold: "H2", clear: "C1", since: "0.1",
    spec: [cenc("8.1")], input: MediaLoad, scope: Track, params: {},
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    if load.capture.object != ObjectKind::Segment {
        return;
    }
    let Some(((_, mp4), init)) = view::segment(load).zip(load.init) else {
        out.unknown();
        return;
    };
    let declared = init.facts.mp4.as_ref().map_or(&[][..], |mp4| &mp4.pssh);
    let rotates = mp4.runs.iter().any(|run| !run.kids.is_empty());
    if mp4.pssh.is_empty() || declared.is_empty() || rotates {
        out.unknown();
        return;
    }
    let differs = mp4.pssh.iter().find(|found| {
        let mut same_system = declared.iter().filter(|d| d.system == found.system).peekable();
        same_system.peek().is_some() && same_system.all(|d| d.digest != found.digest)
    });
    let Some(found) = differs else {
        out.pass();
        return;
    };
    let value = format!("another pssh of system {}", found.system);
    let limit = "the one of the initialization section";
    let message = format!("a fragment has {value}; {limit} expected");
    out.fail(Severity::Info, value, limit, message).reason("differs");
}
