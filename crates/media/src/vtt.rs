//! WebVTT: how many cues there are.

/// Counts `-->`.
#[derive(Debug, Default)]
pub(crate) struct VttParser {
    n_dashes: u32,
    n_cues: u32,
}

impl VttParser {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'-' => self.n_dashes = self.n_dashes.saturating_add(1),
                b'>' if self.n_dashes >= 2 => {
                    self.n_cues = self.n_cues.saturating_add(1);
                    self.n_dashes = 0;
                }
                _ => self.n_dashes = 0,
            }
        }
    }

    pub(crate) fn n_cues(&self) -> u32 {
        self.n_cues
    }
}
