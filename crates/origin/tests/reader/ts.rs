//! Walks MPEG-TS segments and keeps what must run on from one to the next.

use std::collections::BTreeMap;

const WRAP: i64 = 1 << 33;
const VIDEO: u8 = 0x1b;
const AAC: u8 = 0x0f;

/// What one segment holds.
#[derive(Debug, Default)]
pub struct Facts {
    pub n_pictures: i64,
    /// Smallest video PTS (33 bit).
    pub first_pts: i64,
    /// First audio PTS (33 bit).
    pub first_audio_pts: i64,
    pub n_audio_frames: i64,
}

/// State over segments of one rendition.
#[derive(Debug, Default)]
pub struct Walker {
    counters: BTreeMap<u16, u8>,
    dts: Option<i64>,
    pcr: Option<i64>,
    audio_end: Option<i64>,
}

struct Pes {
    pts: i64,
    dts: i64,
    is_random_access: bool,
    payload: Vec<u8>,
}

impl Walker {
    /// Reads a segment; every rule that is broken is told.
    pub fn segment(&mut self, data: &[u8]) -> Result<Facts, Vec<String>> {
        let mut wrong = Vec::new();
        let mut facts = Facts::default();
        let mut pmt_pid = None;
        let mut kinds: BTreeMap<u16, u8> = BTreeMap::new();
        let mut units: Vec<(u16, Vec<u8>, bool)> = Vec::new();
        let mut open: BTreeMap<u16, usize> = BTreeMap::new();
        let mut pcrs = Vec::new();
        if data.is_empty() || !data.len().is_multiple_of(188) {
            return Err(vec![format!("{} bytes are not whole packets", data.len())]);
        }
        for (i, p) in data.chunks(188).enumerate() {
            let pid = u16::from(p[1] & 0x1f) << 8 | u16::from(p[2]);
            let starts = p[1] & 0x40 != 0;
            if p[0] != 0x47 || p[1] & 0x80 != 0 || p[3] & 0xd0 != 0x10 {
                wrong.push(format!("packet {i}: head {:02x?}", &p[..4]));
                continue;
            }
            match i {
                0 if pid != 0 => wrong.push("does not begin with PAT".into()),
                1 if Some(pid) != pmt_pid => wrong.push("PMT does not follow PAT".into()),
                _ => {}
            }
            let counter = p[3] & 0x0f;
            if let Some(last) = self.counters.insert(pid, counter)
                && counter != (last + 1) & 0x0f
            {
                wrong.push(format!("packet {i} PID {pid:#x}: counter {last} -> {counter}"));
            }
            let mut at = 4;
            let mut is_random_access = false;
            if p[3] & 0x20 != 0 {
                let len = usize::from(p[4]);
                at = 5 + len;
                if at >= 188 {
                    wrong.push(format!("packet {i}: adaptation field of {len}"));
                    continue;
                }
                if len > 0 {
                    is_random_access = p[5] & 0x40 != 0;
                    if p[5] & 0x10 != 0 {
                        let base =
                            p[6..10].iter().fold(0i64, |n, b| n << 8 | i64::from(*b)) << 1 | i64::from(p[10] >> 7);
                        pcrs.push((pid, base));
                    }
                    let used = if p[5] & 0x10 != 0 { 12 } else { 6 };
                    if p[used..at].iter().any(|b| *b != 0xff) {
                        wrong.push(format!("packet {i}: stuffing is not 0xff"));
                    }
                }
            }
            let payload = &p[at..];
            if pid == 0 || Some(pid) == pmt_pid {
                let section = &payload[1 + usize::from(payload[0])..];
                let len = 3 + (usize::from(section[1] & 0x0f) << 8 | usize::from(section[2]));
                if crc(&section[..len]) != 0 {
                    wrong.push(format!("PID {pid:#x}: CRC"));
                }
                if pid == 0 {
                    pmt_pid = Some(u16::from(section[10] & 0x1f) << 8 | u16::from(section[11]));
                } else {
                    let mut at = 12 + (usize::from(section[10] & 0x0f) << 8 | usize::from(section[11]));
                    while at < len - 4 {
                        kinds.insert(u16::from(section[at + 1] & 0x1f) << 8 | u16::from(section[at + 2]), section[at]);
                        at += 5 + (usize::from(section[at + 3] & 0x0f) << 8 | usize::from(section[at + 4]));
                    }
                }
            } else if starts {
                open.insert(pid, units.len());
                units.push((pid, payload.to_vec(), is_random_access));
            } else if let Some(unit) = open.get(&pid) {
                units[*unit].1.extend_from_slice(payload);
            } else {
                wrong.push(format!("packet {i} PID {pid:#x}: payload before a start"));
            }
        }
        let mut pcr_dts = Vec::new();
        for (pid, data, is_random_access) in units {
            let pes = match pes(&data, is_random_access) {
                Ok(pes) => pes,
                Err(e) => {
                    wrong.push(format!("PID {pid:#x}: {e}"));
                    continue;
                }
            };
            match kinds.get(&pid) {
                Some(&VIDEO) => {
                    pcr_dts.push(pes.dts);
                    self.picture(&pes, &mut facts, &mut wrong);
                }
                Some(&AAC) => self.audio(&pes, &mut facts, &mut wrong),
                other => wrong.push(format!("PID {pid:#x} of type {other:?}")),
            }
        }
        if kinds.values().copied().collect::<Vec<_>>() != [VIDEO, AAC] {
            wrong.push(format!("PMT has {kinds:?}"));
        }
        for (i, (_, pcr)) in pcrs.iter().enumerate() {
            if let Some(last) = self.pcr.replace(*pcr) {
                let step = signed(pcr - last);
                if !(1..=9_000).contains(&step) {
                    wrong.push(format!("PCR step of {step}"));
                }
            }
            let ahead = pcr_dts.get(i).map_or(0, |dts| signed(dts - pcr));
            if !(1..=90_000).contains(&ahead) {
                wrong.push(format!("DTS is {ahead} after PCR"));
            }
        }
        if pcrs.len() as i64 != facts.n_pictures {
            wrong.push(format!("{} PCR for {} pictures", pcrs.len(), facts.n_pictures));
        }
        if wrong.is_empty() { Ok(facts) } else { Err(wrong) }
    }

    fn picture(&mut self, pes: &Pes, facts: &mut Facts, wrong: &mut Vec<String>) {
        let kinds = nal_kinds(&pes.payload);
        if kinds.first() != Some(&9) {
            wrong.push(format!("NAL units {kinds:?} do not begin with a delimiter"));
        }
        // The number of the segment, in its first picture.
        if kinds.contains(&6) != (facts.n_pictures == 0) {
            wrong.push(format!("picture {}: NAL units {kinds:?}", facts.n_pictures));
        }
        let is_idr = kinds.contains(&5);
        if is_idr != (facts.n_pictures % 50 == 0) || is_idr != pes.is_random_access {
            wrong.push(format!("picture {}: IDR {is_idr}, random access {}", facts.n_pictures, pes.is_random_access));
        }
        if is_idr && !(kinds.starts_with(&[9, 7, 8, 5]) || kinds.starts_with(&[9, 7, 8, 6, 5])) {
            wrong.push(format!("IDR without parameter sets: {kinds:?}"));
        }
        if let Some(last) = self.dts.replace(pes.dts)
            && signed(pes.dts - last) != 3_600
        {
            wrong.push(format!("DTS step of {}", signed(pes.dts - last)));
        }
        if !(0..=4 * 3_600).contains(&signed(pes.pts - pes.dts)) {
            wrong.push(format!("PTS is {} after DTS", signed(pes.pts - pes.dts)));
        }
        if facts.n_pictures == 0 || signed(pes.pts - facts.first_pts) < 0 {
            facts.first_pts = pes.pts;
        }
        facts.n_pictures += 1;
    }

    fn audio(&mut self, pes: &Pes, facts: &mut Facts, wrong: &mut Vec<String>) {
        if let Some(end) = self.audio_end
            && pes.pts != end
        {
            wrong.push(format!("audio PTS is {} off", signed(pes.pts - end)));
        }
        if facts.n_audio_frames == 0 {
            facts.first_audio_pts = pes.pts;
        }
        let (mut at, mut n) = (0, 0);
        while let Some(h) = pes.payload.get(at..at + 7) {
            let len = usize::from(h[3] & 3) << 11 | usize::from(h[4]) << 3 | usize::from(h[5] >> 5);
            // MPEG-4, no CRC, AAC LC, 48 kHz, two channels.
            if h[..2] != [0xff, 0xf1] || h[2] != 0x4c || h[3] >> 6 != 2 || len < 8 || at + len > pes.payload.len() {
                wrong.push(format!("ADTS head {h:02x?}"));
                return;
            }
            at += len;
            n += 1;
        }
        if at != pes.payload.len() {
            wrong.push("audio PES ends inside a frame".into());
        }
        facts.n_audio_frames += n;
        self.audio_end = Some((pes.pts + n * 1_920) % WRAP);
    }
}

/// The nearest difference of two 33-bit times.
pub fn signed(difference: i64) -> i64 {
    (difference + WRAP / 2).rem_euclid(WRAP) - WRAP / 2
}

fn pes(data: &[u8], is_random_access: bool) -> Result<Pes, String> {
    if data.len() < 14 || data[..3] != [0, 0, 1] {
        return Err("no PES start".into());
    }
    let len = usize::from(data[4]) << 8 | usize::from(data[5]);
    if len > 0 && len + 6 != data.len() {
        return Err(format!("PES length {len}, has {}", data.len() - 6));
    }
    let stamp = |at: usize, prefix: u8| -> Result<i64, String> {
        let f = &data[at..at + 5];
        if f[0] >> 4 != prefix || f[0] & 1 == 0 || f[2] & 1 == 0 || f[4] & 1 == 0 {
            return Err(format!("stamp {f:02x?}"));
        }
        let (a, b, c, d, e) = (i64::from(f[0]), i64::from(f[1]), i64::from(f[2]), i64::from(f[3]), i64::from(f[4]));
        Ok((a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1)
    };
    let (pts, dts) = match data[7] >> 6 {
        2 => (stamp(9, 2)?, stamp(9, 2)?),
        3 => (stamp(9, 3)?, stamp(14, 1)?),
        other => return Err(format!("PTS_DTS_flags {other}")),
    };
    let payload = data[9 + usize::from(data[8])..].to_vec();
    Ok(Pes { pts, dts, is_random_access, payload })
}

/// NAL unit types of an Annex B byte stream.
pub fn nal_kinds(stream: &[u8]) -> Vec<u8> {
    stream.windows(4).filter(|w| w[..3] == [0, 0, 1]).map(|w| w[3] & 0x1f).collect()
}

fn crc(data: &[u8]) -> u32 {
    let step = |crc: u32, bit: u32| if (crc >> 31) ^ bit == 1 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 };
    data.iter().fold(u32::MAX, |crc, byte| (0..8).rev().fold(crc, |crc, i| step(crc, u32::from(byte >> i & 1))))
}
