//! Whole-pipeline tests: the real binary, real servers, real receivers, a real packager.
//!
//! [`Site`] is one installation on this machine; [`packager`] runs ffmpeg as a live packager behind [`files`].

pub mod files;
pub mod packager;
