//! Every base that the BaseURL elements of a Representation can give (§5.6.4): players choose among them.

use crate::uri::{is_http, resolve};
use crate::{BaseUrl, Mpd, Position};

/// Combinations that are tried for one Representation.
const MAX_CHOICES: usize = 64;

/// What becomes of the BaseURLs of one Representation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseChoices {
    pub period_index: usize,
    pub set_index: usize,
    pub representation_index: usize,
    /// Combinations over all levels.
    pub total: usize,
    /// Those that give an absolute `http:` or `https:` URL.
    pub usable: usize,
    /// The innermost BaseURL of the first one that does not, and what it gives.
    pub first_bad: Option<(Position, String)>,
}

/// One for each Representation, as far as [`crate::MAX_TRACKS`]. `mpd_url` is where the MPD came from, after redirects.
pub fn base_choices(mpd: &Mpd, mpd_url: &str) -> Vec<BaseChoices> {
    let mut out = Vec::new();
    let root = vec![(mpd.at, Ok(mpd_url.to_owned()))];
    let root = extend(&root, &mpd.base_urls);
    for (period_index, period) in mpd.periods.iter().enumerate() {
        let of_period = extend(&root, &period.base_urls);
        for (set_index, set) in period.adaptation_sets.iter().enumerate() {
            let of_set = extend(&of_period, &set.base_urls);
            for (representation_index, representation) in set.representations.iter().enumerate() {
                if out.len() == crate::MAX_TRACKS {
                    return out;
                }
                let all = extend(&of_set, &representation.base_urls);
                let mut first_bad = None;
                let mut usable = 0;
                for (at, choice) in &all {
                    match choice {
                        Ok(url) if is_http(url) => usable += 1,
                        Ok(text) | Err(text) if first_bad.is_none() => first_bad = Some((*at, text.clone())),
                        _ => {}
                    }
                }
                out.push(BaseChoices {
                    period_index,
                    set_index,
                    representation_index,
                    total: all.len(),
                    usable,
                    first_bad,
                });
            }
        }
    }
    out
}

type Choice = (Position, Result<String, String>);

fn extend(outer: &[Choice], urls: &[BaseUrl]) -> Vec<Choice> {
    if urls.is_empty() {
        return outer.to_vec();
    }
    let pairs = outer.iter().flat_map(|(_, base)| urls.iter().map(move |url| (base, url)));
    let chosen = pairs.take(MAX_CHOICES).map(|(base, url)| {
        let resolved = base.clone().and_then(|base| resolve(&base, &url.url).ok_or_else(|| url.url.to_string()));
        (url.at, resolved)
    });
    chosen.collect()
}
