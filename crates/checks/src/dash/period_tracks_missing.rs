use ow_domain::Severity;
use ow_domain::capture::TrackKind;
use ow_timeline::dash::PeriodView;

use super::is_new_version;
use crate::input::MpdStep;
use crate::outcome::Outcome;
use crate::registry::op;

crate::check! {
    /// Detects:       A Period without pictures, sound or a language that the Period before it has.
    /// Matters:       From there on viewers have no picture, no sound, or another language.
    /// Usual causes:  An ad or slate of one kind of media only, an encoder input that was lost at the break.
    /// Stays quiet:   As an alarm for subtitles, which ads lack (information), and for Periods that have no start yet.
    id: "dash-period-tracks-missing", title: "Period lacks what the one before had", severity: Major, hold: "H2",
    clear: "C1", since: "0.1", spec: [op()], input: MpdStep, scope: Stream, params: {},
}

fn run(input: &MpdStep<'_>, _: &Params, out: &mut Outcome) {
    if !is_new_version(input) {
        return;
    }
    let known: Vec<&PeriodView> =
        input.presentation.periods.iter().filter(|p| p.start.is_some() && !p.tracks.is_empty()).collect();
    let has = |period: &PeriodView, kind: TrackKind| period.tracks.iter().any(|t| t.track.kind == kind);
    for (before, next) in known.iter().zip(known.iter().skip(1)) {
        let kinds = [
            (TrackKind::Video, "video", Severity::Major),
            (TrackKind::Audio, "audio", Severity::Major),
            (TrackKind::Text, "subtitles", Severity::Info),
        ];
        for (kind, name, severity) in kinds {
            if has(before, kind) && !has(next, kind) {
                tell(next, format!("no {name}"), name.to_owned(), severity, out);
                return;
            }
        }
        let lost = before.tracks.iter().filter(|t| t.track.kind == TrackKind::Audio).find_map(|t| {
            let language = t.track.language.as_deref()?;
            let kept = next
                .tracks
                .iter()
                .any(|n| n.track.kind == TrackKind::Audio && n.track.language.as_deref() == Some(language));
            (!kept).then_some(language)
        });
        if let Some(language) = lost {
            let name: String = format!("audio {language}").chars().take(40).collect();
            tell(next, format!("no {name}"), name, Severity::Minor, out);
            return;
        }
    }
    out.pass();
}

fn tell(period: &PeriodView, value: String, limit: String, severity: Severity, out: &mut Outcome) {
    let key = period.key.chars().take(24).collect::<String>();
    let message = format!("Period {key} has {value}; {limit} expected as in the Period before");
    out.fail(severity, value, limit, message).fact("renditions", period.tracks.len());
}
