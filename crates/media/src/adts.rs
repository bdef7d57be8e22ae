//! The frame chain of ADTS AAC (ISO/IEC 13818-7 6.2), across any cut of the bytes.

/// Samples of one AAC frame.
const FRAME_SAMPLES: u64 = 1024;

const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

#[derive(Debug, Default)]
pub(crate) struct AdtsWalker {
    header: [u8; 7],
    n_header: usize,
    skip: usize,
    pub(crate) n_frames: u32,
    pub(crate) sample_rate: Option<u32>,
    pub(crate) channels: Option<u32>,
    /// Audio object type of the first frame: 2 is AAC-LC.
    pub(crate) object_type: Option<u32>,
    /// Places where a frame should begin and none did.
    pub(crate) n_sync_errors: u32,
}

impl AdtsWalker {
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let n = self.skip.min(bytes.len());
                self.skip -= n;
                bytes = &bytes[n..];
                continue;
            }
            let n = (7 - self.n_header).min(bytes.len());
            self.header[self.n_header..self.n_header + n].copy_from_slice(&bytes[..n]);
            self.n_header += n;
            bytes = &bytes[n..];
            if self.n_header == 7 {
                self.frame();
            }
        }
    }

    fn frame(&mut self) {
        let h = self.header;
        let length = usize::from(h[3] & 3) << 11 | usize::from(h[4]) << 3 | usize::from(h[5] >> 5);
        if h[0] != 0xff || h[1] & 0xf6 != 0xf0 || length < 7 {
            self.n_sync_errors = self.n_sync_errors.saturating_add(1);
            // Look for the next sync byte by byte.
            self.header.copy_within(1.., 0);
            self.n_header = 6;
            return;
        }
        self.n_header = 0;
        self.skip = length - 7;
        self.n_frames = self.n_frames.saturating_add(u32::from(h[6] & 3) + 1);
        if self.sample_rate.is_none() {
            self.sample_rate = RATES.get(usize::from(h[2] >> 2 & 0xf)).copied();
            let config = u32::from(h[2] & 1) << 2 | u32::from(h[3] >> 6);
            self.channels = Some(if config == 7 { 8 } else { config });
            self.object_type = Some(u32::from(h[2] >> 6) + 1);
        }
    }

    /// Duration of all frames at 90 kHz.
    pub(crate) fn duration_90k(&self) -> Option<i64> {
        let rate = u64::from(self.sample_rate?);
        i64::try_from((u64::from(self.n_frames) * FRAME_SAMPLES * 90_000 + rate / 2) / rate).ok()
    }

    /// Duration of one frame at 90 kHz.
    pub(crate) fn frame_90k(&self) -> Option<i64> {
        let rate = u64::from(self.sample_rate?);
        i64::try_from((FRAME_SAMPLES * 90_000 + rate / 2) / rate).ok()
    }
}
