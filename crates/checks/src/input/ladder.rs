//! The offer of a stream and the contract of its channel.

use ow_domain::Span;
use ow_domain::capture::{Capture, Protocol};
use ow_domain::ladder::{DrmSystem, LadderContract};

pub use crate::judge::memory::Picture;
use crate::offer::{Ladder, Matched, Protection};

/// After every answer for the entry manifest of a stream, an unchanged one included.
pub struct LadderLoad<'a> {
    pub capture: &'a Capture,
    pub offer: &'a Ladder,
    /// `None` when the channel has no contract.
    pub agreed: Option<Agreed<'a>>,
    /// How this stream has been watched.
    pub watched_for: Span,
    /// Times the set of renditions changed within [`FLAPPING_SPAN`].
    pub n_changes: u32,
    /// For each video of the offer what came of it.
    pub delivered: &'a [Delivered],
    /// Keys of each audible and visible track, where known: its name and they.
    pub protections: &'a [(String, Protection)],
}

/// Span in which changes of the set of renditions are counted.
pub const FLAPPING_SPAN: Span = Span::from_secs(600);

/// The contract laid over the offer.
#[derive(Clone, Copy)]
pub struct Agreed<'a> {
    pub contract: &'a LadderContract,
    pub matched: &'a Matched,
    /// The channel has a DASH stream.
    pub has_dash: bool,
}

/// One offered video, as it is delivered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Delivered {
    pub state: DeliveryState,
    pub picture: Option<Picture>,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum DeliveryState {
    /// Nobody looks at its segments, or they come.
    #[default]
    Fine,
    /// Its playlist does not answer or has ended: others tell.
    NoPlaylist,
    /// Its playlist goes on, but for so long no segment was obtained.
    Dead(Span),
}

impl Agreed<'_> {
    /// Systems that a stream of this protocol is expected to name. FairPlay is for HLS alone; where a channel has a DASH
    /// stream the other systems are its business.
    pub fn systems(&self, protocol: Protocol) -> Vec<DrmSystem> {
        let wanted = |system: &DrmSystem| match protocol {
            Protocol::Dash => *system != DrmSystem::FairPlay,
            Protocol::Hls => *system == DrmSystem::FairPlay || !self.has_dash,
        };
        self.contract.drm.iter().copied().filter(wanted).collect()
    }
}
