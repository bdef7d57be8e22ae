//! What the tracker is told of one fetch.

use ow_domain::{Span, Time};
use ow_hls::MediaPlaylist;
use serde::{Deserialize, Serialize};

/// One completed fetch of the media playlist of one rendition.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// Start of the request.
    pub t_req: Time,
    /// Last byte of the answer, or the failure was known.
    pub t_end: Time,
    /// Half-width of the probe's UTC error.
    pub clock_uncertainty: Span,
    /// URL that answered, against which segment URIs resolve.
    pub final_url: &'a str,
    /// `Age` response header.
    pub age: Option<Span>,
    pub outcome: Outcome<'a>,
}

#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// A complete 200 with a playlist that parsed well enough to be judged.
    Ok { playlist: &'a MediaPlaylist, digest: BodyDigest },
    /// 304: the same body as the last accepted one.
    NotModified,
    /// Anything else: no answer, error status, short body, no playlist. Leaves the state alone.
    Failed,
}

/// Identity of a body within one rendition's recent history. 64 bits are enough for that, and keep state small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BodyDigest(pub u64);

impl BodyDigest {
    /// Of a text that identifies the body: its SHA-256 in hexadecimal, or the body itself.
    pub fn of(identity: impl AsRef<[u8]>) -> Self {
        Self(crate::key::hash_bytes(0, identity.as_ref()))
    }
}
