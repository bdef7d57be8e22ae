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

pub use site::{SERVICES, Site, origin};
pub use tap::Tap;
