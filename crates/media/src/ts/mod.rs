//! MPEG-TS (ISO/IEC 13818-1): packets in lock or hunting for it, continuity, PSI, PCR, and the PES of each stream.

mod pes;
mod psi;

use ow_domain::facts::{SegmentFacts, TsFacts};

use crate::issues::Issues;
use pes::Stream;
use psi::{Section, StreamInfo};

const PACKET: usize = 188;
const SYNC: u8 = 0x47;
const NULL_PID: u16 = 0x1fff;
/// PIDs whose state is kept; packets of more are only counted.
const MAX_PIDS: usize = 64;

pub(crate) struct TsParser {
    /// Bytes of an incomplete packet, or those searched for sync.
    tail: Vec<u8>,
    /// Offset in the body of the first byte of `tail`.
    offset: u64,
    locked: bool,
    last_sync_bad: bool,
    facts: TsFacts,
    pids: Vec<Pid>,
    pmt_pids: Vec<u16>,
    announced: Vec<StreamInfo>,
    seen_pmt: bool,
    seen_pes: bool,
}

impl Default for TsParser {
    fn default() -> Self {
        Self {
            tail: Vec::with_capacity(PACKET),
            offset: 0,
            locked: true,
            last_sync_bad: false,
            facts: TsFacts::default(),
            pids: Vec::new(),
            pmt_pids: Vec::new(),
            announced: Vec::new(),
            seen_pmt: false,
            seen_pes: false,
        }
    }
}

struct Pid {
    pid: u16,
    last_cc: Option<u8>,
    /// Signature of the last payload, to tell an exact duplicate, which is legal once.
    last_payload: u64,
    duplicated: bool,
    content: Content,
}

enum Content {
    Unknown,
    Section(Section),
    Stream(Box<Stream>),
}

impl TsParser {
    pub(crate) fn push(&mut self, mut bytes: &[u8], issues: &mut Issues) {
        loop {
            if !self.locked {
                self.tail.extend_from_slice(bytes);
                bytes = &[];
                if !self.hunt() {
                    return;
                }
                // Locked again: what is in the tail is packets from its first byte on.
                let found = std::mem::take(&mut self.tail);
                let used = self.packets(&found, issues);
                self.tail = found[used..].to_vec();
            } else if !self.tail.is_empty() {
                let take = (PACKET - self.tail.len().min(PACKET)).min(bytes.len());
                self.tail.extend_from_slice(&bytes[..take]);
                bytes = &bytes[take..];
                if self.tail.len() < PACKET {
                    return;
                }
                let whole = std::mem::take(&mut self.tail);
                let used = self.packets(&whole, issues);
                self.tail = whole[used..].to_vec();
                if self.locked && self.tail.len() >= PACKET {
                    continue;
                }
            } else {
                let used = self.packets(bytes, issues);
                self.tail.extend_from_slice(&bytes[used..]);
                bytes = &[];
            }
            if bytes.is_empty() && (self.locked || self.tail.len() < 2 * PACKET + 1) {
                return;
            }
        }
    }

    /// Takes whole packets while in lock; gives the number of bytes used.
    fn packets(&mut self, bytes: &[u8], issues: &mut Issues) -> usize {
        let mut used = 0;
        while self.locked && bytes.len() - used >= PACKET {
            let packet = &bytes[used..used + PACKET];
            if packet[0] == SYNC {
                self.last_sync_bad = false;
                self.facts.n_packets += 1;
                self.packet(packet, issues);
            } else if self.last_sync_bad {
                // TR 101 290 1.1: two bad sync bytes in a row.
                self.locked = false;
                self.last_sync_bad = false;
                self.facts.sync_losses = self.facts.sync_losses.saturating_add(1);
                issues.add("ts-sync-loss", self.offset, || "two sync bytes in a row are wrong".to_owned());
                return used;
            } else {
                self.last_sync_bad = true;
                issues.add("ts-sync-byte", self.offset, || format!("sync byte is 0x{:02x}, expected 0x47", packet[0]));
            }
            used += PACKET;
            self.offset += PACKET as u64;
        }
        used
    }

    /// Looks for three sync bytes a packet apart; true when found, then `tail` begins there.
    fn hunt(&mut self) -> bool {
        let n = self.tail.len();
        let mut at = 0;
        while at + 2 * PACKET < n {
            if self.tail[at] == SYNC && self.tail[at + PACKET] == SYNC && self.tail[at + 2 * PACKET] == SYNC {
                self.tail.drain(..at);
                self.offset += at as u64;
                self.locked = true;
                // Continuity is unknown across the hole.
                for pid in &mut self.pids {
                    pid.last_cc = None;
                }
                return true;
            }
            at += 1;
        }
        self.tail.drain(..at);
        self.offset += at as u64;
        false
    }

    fn packet(&mut self, p: &[u8], issues: &mut Issues) {
        if p[1] & 0x80 != 0 {
            self.facts.transport_errors = self.facts.transport_errors.saturating_add(1);
            return;
        }
        let unit_start = p[1] & 0x40 != 0;
        let pid = u16::from(p[1] & 0x1f) << 8 | u16::from(p[2]);
        if pid == NULL_PID {
            return;
        }
        let scrambled = p[3] & 0xc0 != 0;
        if scrambled {
            self.facts.scrambled_packets += 1;
        }
        let (has_adaptation, has_payload, cc) = (p[3] & 0x20 != 0, p[3] & 0x10 != 0, p[3] & 0x0f);
        let mut at = 4;
        let mut random_access = false;
        let mut discontinuity = false;
        if has_adaptation {
            let length = usize::from(p[4]);
            at = 5 + length;
            if at > PACKET {
                issues.add("ts-adaptation-overruns", self.offset, || format!("adaptation field of {length} bytes"));
                return;
            }
            if length > 0 {
                let flags = p[5];
                discontinuity = flags & 0x80 != 0;
                random_access = flags & 0x40 != 0;
                if flags & 0x10 != 0 && length >= 7 {
                    self.pcr(pid, &p[6..12]);
                }
            }
        }
        let payload = if has_payload { &p[at.min(PACKET)..] } else { &p[PACKET..] };
        let Some(index) = self.pid_index(pid) else { return };
        if !self.continuity(index, cc, has_payload, discontinuity, payload, issues) || payload.is_empty() {
            return;
        }
        if unit_start && !self.seen_pes && payload.starts_with(&[0, 0, 1]) && self.is_elementary(pid) {
            self.seen_pes = true;
            self.facts.pat_pmt_first = self.seen_pmt;
        }
        self.content(index, pid, unit_start, random_access, scrambled, payload, issues);
    }

    fn is_elementary(&self, pid: u16) -> bool {
        pid > 0x1f && !self.pmt_pids.contains(&pid)
    }

    fn pcr(&mut self, pid: u16, field: &[u8]) {
        if self.facts.pcr_pid.is_some_and(|p| p != pid) {
            return;
        }
        let base =
            i64::from(u32::from_be_bytes([field[0], field[1], field[2], field[3]])) << 1 | i64::from(field[4] >> 7);
        let extension = i64::from(field[4] & 1) << 8 | i64::from(field[5]);
        let pcr = base * 300 + extension;
        self.facts.first_pcr.get_or_insert(pcr);
        self.facts.last_pcr = Some(pcr);
    }

    fn pid_index(&mut self, pid: u16) -> Option<usize> {
        if let Some(index) = self.pids.iter().position(|p| p.pid == pid) {
            return Some(index);
        }
        if self.pids.len() >= MAX_PIDS {
            return None;
        }
        let content = if pid == 0 { Content::Section(Section::default()) } else { Content::Unknown };
        self.pids.push(Pid { pid, last_cc: None, last_payload: 0, duplicated: false, content });
        Some(self.pids.len() - 1)
    }

    /// Continuity counter rule (13818-1 2.4.3.3). False when the packet repeats the one before.
    fn continuity(
        &mut self,
        index: usize,
        cc: u8,
        has_payload: bool,
        discontinuity: bool,
        payload: &[u8],
        issues: &mut Issues,
    ) -> bool {
        let state = &mut self.pids[index];
        let signature = signature(payload);
        let last = state.last_cc.replace(cc);
        let Some(last) = last.filter(|_| !discontinuity) else {
            state.last_payload = signature;
            state.duplicated = false;
            return true;
        };
        if !has_payload {
            // The counter stands still without payload.
            if cc != last {
                state.last_cc = Some(cc);
            }
            return true;
        }
        let expected = (last + 1) & 0x0f;
        if cc == expected {
            state.duplicated = false;
            state.last_payload = signature;
            return true;
        }
        if cc == last && signature == state.last_payload && !state.duplicated {
            state.duplicated = true;
            return false;
        }
        state.duplicated = false;
        state.last_payload = signature;
        self.facts.cc_errors = self.facts.cc_errors.saturating_add(1);
        let pid = state.pid;
        issues.add("ts-cc-error", self.offset, || format!("PID {pid}: continuity counter {cc}, expected {expected}"));
        true
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one packet")]
    fn content(
        &mut self,
        index: usize,
        pid: u16,
        unit_start: bool,
        random_access: bool,
        scrambled: bool,
        payload: &[u8],
        issues: &mut Issues,
    ) {
        let offset = self.offset;
        match &mut self.pids[index].content {
            Content::Unknown => {}
            Content::Stream(stream) => stream.push(unit_start, random_access, scrambled, payload),
            Content::Section(section) => {
                let mut tables = Vec::new();
                section.push(unit_start, payload, &mut |table| tables.push(table.to_vec()));
                for table in tables {
                    if !psi::crc_is_right(&table) {
                        issues.add("ts-psi-crc", offset, || format!("PID {pid}: section with a wrong CRC-32"));
                    } else if pid == 0 {
                        self.pat(&table);
                    } else {
                        self.pmt(&table);
                    }
                }
            }
        }
    }

    fn pat(&mut self, table: &[u8]) {
        for pid in psi::pat_pmt_pids(table) {
            if !self.pmt_pids.contains(&pid) && self.pmt_pids.len() < 8 {
                self.pmt_pids.push(pid);
                if let Some(index) = self.pid_index(pid) {
                    self.pids[index].content = Content::Section(Section::default());
                }
            }
        }
    }

    fn pmt(&mut self, table: &[u8]) {
        let Some((pcr_pid, streams)) = psi::pmt_streams(table) else { return };
        self.seen_pmt = true;
        self.facts.pcr_pid.get_or_insert(pcr_pid);
        for info in streams {
            if self.announced.iter().any(|a| a.pid == info.pid) || self.announced.len() >= crate::MAX_ELEMENTARY {
                continue;
            }
            if let Some(index) = self.pid_index(info.pid)
                && matches!(self.pids[index].content, Content::Unknown)
            {
                self.pids[index].content = Content::Stream(Box::new(Stream::new(&info)));
            }
            self.announced.push(info);
        }
    }

    pub(crate) fn finish(&mut self, complete: bool, facts: &mut SegmentFacts, issues: &mut Issues) {
        let rest = self.tail.len();
        if complete && self.locked && rest > 0 {
            issues.add("ts-partial-packet", self.offset, || format!("{rest} bytes at the end are no whole packet"));
        }
        for info in &self.announced {
            let state = self.pids.iter_mut().find(|p| p.pid == info.pid);
            if let Some(Pid { content: Content::Stream(stream), .. }) = state {
                if stream.n_pes() == 0 {
                    self.facts.silent_pids.push(info.pid);
                }
                facts.elementary.push(stream.facts(info));
            }
        }
        facts.ts = Some(std::mem::take(&mut self.facts));
    }
}

/// Enough of a payload to tell whether it is the same again.
fn signature(payload: &[u8]) -> u64 {
    let word = |at: usize| payload.get(at..at + 8).map_or(0, |w| u64::from_le_bytes(w.try_into().unwrap_or([0; 8])));
    let end = payload.len().saturating_sub(8);
    word(0) ^ word(end / 2).rotate_left(21) ^ word(end).rotate_left(42) ^ payload.len() as u64
}
