//! Whole-pipeline tests: the real binary, real servers, real receivers, a real packager.
//!
//! [`Site`] is one installation on this machine; [`Tap`] keeps what passes on its bus; [`packager`] runs ffmpeg as a
//! live packager behind [`files`], [`shaka`] runs Shaka Packager, [`nginx`] stands before both.

pub mod files;
pub mod nginx;
pub mod packager;
pub mod shaka;
pub mod site;
pub mod tap;

/// How long clean streams of others are watched, in seconds: `OTTWATCH_CLEAN_SECONDS`, else `default`.
pub fn clean_seconds(default: u64) -> u64 {
    let set = std::env::var("OTTWATCH_CLEAN_SECONDS").ok();
    set.map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("OTTWATCH_CLEAN_SECONDS={text}: 600 for example"))
    })
}

pub use site::{SERVICES, Site, origin};
pub use tap::Tap;
