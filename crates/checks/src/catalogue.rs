//! The list: families in the order in which parents come before children (CHECKS 1.3).

use std::sync::LazyLock;

use crate::registry::CheckDef;
use crate::{
    ad, br, dash, dash_mpd, drm, hls, hls_align, hls_mvp, http, ladder, lldash, llhls, media, mp4, seg, self_, ts, xp,
};

const FAMILIES: [&[&CheckDef]; 18] = [
    self_::CHECKS,
    http::CHECKS,
    hls_mvp::CHECKS,
    dash_mpd::CHECKS,
    hls::CHECKS,
    dash::CHECKS,
    llhls::CHECKS,
    lldash::CHECKS,
    hls_align::CHECKS,
    xp::CHECKS,
    ladder::CHECKS,
    ts::CHECKS,
    mp4::CHECKS,
    seg::CHECKS,
    br::CHECKS,
    media::CHECKS,
    drm::CHECKS,
    ad::CHECKS,
];

pub(crate) static ALL: LazyLock<Vec<&'static CheckDef>> = LazyLock::new(|| FAMILIES.concat());
