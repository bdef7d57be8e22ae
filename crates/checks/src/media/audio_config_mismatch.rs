use ow_domain::Severity;
use ow_domain::capture::{ObjectKind, TrackKind};
use ow_domain::facts::EsKind;

use crate::input::MediaLoad;
use crate::outcome::Outcome;
use crate::registry::bis;
use crate::ts::with_number;

crate::check! {
    /// Detects:       Sound with another number of channels or another language than declared.
    /// Matters:       Viewers get stereo for surround, or a language that they did not choose.
    /// Usual causes:  Audio inputs swapped, a downmix added upstream, tags written by hand.
    /// Stays quiet:   For HE-AAC v2, object audio, undetermined languages, and while nothing is declared.
    id: "media-audio-config-mismatch", title: "Audio differs from declared", severity: Minor, hold: "H2", clear: "C3",
    since: "0.2", spec: [bis("4.4.6.1")], input: MediaLoad, scope: Track, params: {},
}

/// Languages of two letters and their codes of three; terminological first.
const LANGUAGES: [(&str, &str, &str); 32] = [
    ("ar", "ara", "ara"),
    ("bg", "bul", "bul"),
    ("cs", "ces", "cze"),
    ("da", "dan", "dan"),
    ("de", "deu", "ger"),
    ("el", "ell", "gre"),
    ("en", "eng", "eng"),
    ("es", "spa", "spa"),
    ("fi", "fin", "fin"),
    ("fr", "fra", "fre"),
    ("he", "heb", "heb"),
    ("hi", "hin", "hin"),
    ("hr", "hrv", "hrv"),
    ("hu", "hun", "hun"),
    ("id", "ind", "ind"),
    ("it", "ita", "ita"),
    ("ja", "jpn", "jpn"),
    ("ko", "kor", "kor"),
    ("ms", "msa", "may"),
    ("nl", "nld", "dut"),
    ("no", "nor", "nor"),
    ("pl", "pol", "pol"),
    ("pt", "por", "por"),
    ("ro", "ron", "rum"),
    ("ru", "rus", "rus"),
    ("sk", "slk", "slo"),
    ("sv", "swe", "swe"),
    ("th", "tha", "tha"),
    ("tr", "tur", "tur"),
    ("uk", "ukr", "ukr"),
    ("vi", "vie", "vie"),
    ("zh", "zho", "chi"),
];

/// Whether two language tags name different languages for sure.
fn differ(declared: &str, found: &str) -> bool {
    let row = |code: &str| {
        let code = code.split('-').next().unwrap_or(code).to_ascii_lowercase();
        LANGUAGES.iter().position(|(two, three, old)| [*two, *three, *old].contains(&code.as_str()))
    };
    row(declared).zip(row(found)).is_some_and(|(a, b)| a != b)
}

fn run(load: &MediaLoad<'_>, _: &Params, out: &mut Outcome) {
    let is_audio = load.track.is_some_and(|t| t.kind == TrackKind::Audio);
    if load.capture.object != ObjectKind::Segment || !is_audio {
        return;
    }
    let facts = load.facts.filter(|_| load.is_whole() && load.is_sound());
    let sound = facts.and_then(|f| f.elementary.iter().find(|e| e.kind == EsKind::Audio && e.n_access_units > 0));
    let (Some(sound), Some(track)) = (sound, load.track) else {
        out.unknown();
        return;
    };
    let declared = track.channels.as_deref().filter(|c| !c.contains('/')).and_then(|c| c.trim().parse::<u32>().ok());
    let found = sound.channels.filter(|n| *n > 0);
    let mut known = false;
    if let (Some(declared), Some(found)) = (declared, found) {
        known = true;
        // One coded channel may become two by parametric stereo.
        let parametric = sound.codec == "aac" && found == 1 && declared == 2;
        if declared != found && !parametric {
            let (value, limit) = (format!("{found} channels"), format!("{declared} channels"));
            let message = format!("sound of a segment has {value}; {limit} as declared expected");
            with_number(load, out.fail(Severity::Minor, value, limit, message).reason("channels"));
            return;
        }
    }
    if let (Some(declared), Some(found)) = (track.language.as_deref(), sound.language.as_deref()) {
        known = true;
        if differ(declared, found) {
            let message = format!("sound of a segment is tagged {found}; {declared} as declared expected");
            with_number(load, out.fail(Severity::Minor, found, declared, message).reason("language"));
            return;
        }
    }
    if known {
        out.pass()
    } else {
        out.unknown()
    };
}
