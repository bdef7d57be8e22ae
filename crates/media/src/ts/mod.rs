//! MPEG-TS (ISO/IEC 13818-1): packets in lock or hunting for it, continuity, PSI, PCR, and the PES of each stream.

mod pes;
mod psi;

use ow_domain::facts::{ElementaryFacts, PcrFacts, PidFacts, SegmentFacts, TsFacts};

use crate::issues::Issues;
use pes::Stream;
pub(crate) use psi::crc_is_right;
use psi::{Section, StreamInfo};

const PACKET: usize = 188;
const SYNC: u8 = 0x47;
const NULL_PID: u16 = 0x1fff;
/// PIDs whose state is kept; packets of more are only counted.
const MAX_PIDS: usize = 64;
/// PIDs whose counters are told.
const MAX_TOLD_PIDS: usize = 16;
/// Sync bytes in a row that mean lock (TR 101 290 1.1).
const LOCK: usize = 5;
/// PCR counts modulo 2^33 x 300.
const PCR_WRAP: i64 = (1 << 33) * 300;
/// How much farther than DTS a PCR may go before it counts as a jump: multiplexing moves the two against each other.
const PCR_SLACK: i64 = 27_000_000 / 2;
/// The same where there is no DTS to compare with.
const PCR_SLACK_ALONE: i64 = 27_000_000 * 10;

pub(crate) struct TsParser {
    /// Bytes before the first packet still to be dropped.
    skip: usize,
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
    n_before_pmt: u32,
    last_pcr: Option<LastPcr>,
}

#[derive(Debug, Clone, Copy)]
struct LastPcr {
    value: i64,
    /// Last DTS of the stream on the same PID by then.
    dts: Option<i64>,
}

impl TsParser {
    /// The first packet begins after `leading_bytes`.
    pub(crate) fn new(leading_bytes: usize) -> Self {
        Self {
            skip: leading_bytes,
            tail: Vec::with_capacity(PACKET),
            offset: 0,
            locked: true,
            last_sync_bad: false,
            facts: TsFacts { leading_bytes: u32::try_from(leading_bytes).unwrap_or(u32::MAX), ..TsFacts::default() },
            pids: Vec::new(),
            pmt_pids: Vec::new(),
            announced: Vec::new(),
            seen_pmt: false,
            seen_pes: false,
            n_before_pmt: 0,
            last_pcr: None,
        }
    }
}

struct Pid {
    pid: u16,
    n_packets: u32,
    first_cc: u8,
    cc_errors: u32,
    last_cc: Option<u8>,
    /// Signature of the last payload, to tell an exact duplicate, which is legal once.
    last_payload: u64,
    duplicated: bool,
    content: Content,
}

enum Content {
    Unknown,
    /// Tables, and how many came.
    Section(Section, u32),
    Stream(Box<Stream>),
}

impl TsParser {
    pub(crate) fn push(&mut self, mut bytes: &[u8], issues: &mut Issues) {
        if self.skip > 0 {
            let n = self.skip.min(bytes.len());
            self.skip -= n;
            self.offset += n as u64;
            bytes = &bytes[n..];
            if bytes.is_empty() {
                return;
            }
        }
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
            if bytes.is_empty() && (self.locked || self.tail.len() <= (LOCK - 1) * PACKET) {
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

    /// Looks for five sync bytes a packet apart; true when found, then `tail` begins there.
    fn hunt(&mut self) -> bool {
        let n = self.tail.len();
        let mut at = 0;
        while at + (LOCK - 1) * PACKET < n {
            if (0..LOCK).all(|k| self.tail[at + k * PACKET] == SYNC) {
                self.tail.drain(..at);
                self.offset += at as u64;
                self.locked = true;
                // Continuity is unknown across the hole.
                for pid in &mut self.pids {
                    pid.last_cc = None;
                }
                self.last_pcr = None;
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
            self.facts.null_packets = self.facts.null_packets.saturating_add(1);
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
                    self.pcr(pid, &p[6..12], discontinuity);
                } else if discontinuity && self.facts.pcr_pid == Some(pid) {
                    self.last_pcr = None;
                }
            }
        }
        if self.facts.psi.packets_to_pmt.is_none() && !(0x10..=0x1f).contains(&pid) {
            // A PMT that needs several packets counts as one.
            self.n_before_pmt += u32::from(unit_start || !self.pmt_pids.contains(&pid));
        }
        let payload = if has_payload { &p[at.min(PACKET)..] } else { &p[PACKET..] };
        let Some(index) = self.pid_index(pid) else { return };
        if !self.continuity(index, cc, has_payload, discontinuity, payload, issues) || payload.is_empty() {
            return;
        }
        if unit_start && !self.seen_pes && payload.starts_with(&[0, 0, 1]) && self.is_elementary(pid) {
            self.seen_pes = true;
            self.facts.pat_pmt_first = self.seen_pmt;
            self.facts.psi.pes_before_pmt = !self.seen_pmt;
        }
        self.content(index, pid, unit_start, random_access, scrambled, payload, issues);
    }

    fn is_elementary(&self, pid: u16) -> bool {
        pid > 0x1f && !self.pmt_pids.contains(&pid)
    }

    fn pcr(&mut self, pid: u16, field: &[u8], discontinuity: bool) {
        if self.facts.pcr_pid.is_some_and(|p| p != pid) {
            return;
        }
        let base =
            i64::from(u32::from_be_bytes([field[0], field[1], field[2], field[3]])) << 1 | i64::from(field[4] >> 7);
        let extension = i64::from(field[4] & 1) << 8 | i64::from(field[5]);
        let pcr = base * 300 + extension;
        self.facts.first_pcr.get_or_insert(pcr);
        self.facts.last_pcr = Some(pcr);
        let dts = self.pids.iter().find(|p| p.pid == pid).and_then(|p| match &p.content {
            Content::Stream(stream) => stream.last_dts(),
            _ => None,
        });
        let last = self.last_pcr.replace(LastPcr { value: pcr, dts });
        let facts = self.facts.pcr.get_or_insert_with(PcrFacts::default);
        facts.n = facts.n.saturating_add(1);
        if discontinuity {
            facts.n_discontinuities = facts.n_discontinuities.saturating_add(1);
            return;
        }
        let Some(last) = last else { return };
        let step = (pcr - last.value + PCR_WRAP / 2).rem_euclid(PCR_WRAP) - PCR_WRAP / 2;
        let allowed = match (last.dts, dts) {
            (Some(before), Some(now)) => (now - before).saturating_mul(300).saturating_add(PCR_SLACK),
            _ => PCR_SLACK_ALONE,
        };
        if step < 0 || step > allowed.max(PCR_SLACK) {
            facts.n_jumps = facts.n_jumps.saturating_add(1);
            if facts.worst_jump.is_none_or(|worst| step.abs() > worst.abs()) {
                facts.worst_jump = Some(step);
            }
        } else {
            facts.max_step = facts.max_step.max(step);
        }
    }

    fn pid_index(&mut self, pid: u16) -> Option<usize> {
        if let Some(index) = self.pids.iter().position(|p| p.pid == pid) {
            return Some(index);
        }
        if self.pids.len() >= MAX_PIDS {
            return None;
        }
        // PAT and CAT are where they always are.
        let content = if pid <= 1 { Content::Section(Section::default(), 0) } else { Content::Unknown };
        self.pids.push(Pid {
            pid,
            n_packets: 0,
            first_cc: 0,
            cc_errors: 0,
            last_cc: None,
            last_payload: 0,
            duplicated: false,
            content,
        });
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
        if state.n_packets == 0 {
            state.first_cc = cc;
        }
        state.n_packets = state.n_packets.saturating_add(1);
        let Some(last) = last.filter(|_| !discontinuity) else {
            state.last_payload = signature;
            state.duplicated = false;
            return true;
        };
        if !has_payload {
            // The counter stands still without payload; nobody loses anything where it does not.
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
        state.cc_errors = state.cc_errors.saturating_add(1);
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
        match &mut self.pids[index].content {
            Content::Unknown => {}
            Content::Stream(stream) => stream.push(unit_start, random_access, scrambled, payload),
            Content::Section(section, n) => {
                let mut tables = Vec::new();
                section.push(unit_start, payload, &mut |table| tables.push(table.to_vec()));
                *n = n.saturating_add(u32::try_from(tables.len()).unwrap_or(0));
                for table in tables {
                    self.table(pid, &table, issues);
                }
            }
        }
    }

    fn table(&mut self, pid: u16, table: &[u8], issues: &mut Issues) {
        // Table sections without section_syntax_indicator have no CRC, but for SCTE-35 (table_id 0xfc).
        let has_crc = table.get(1).is_some_and(|b| b & 0x80 != 0) || table.first() == Some(&0xfc);
        if has_crc && !psi::crc_is_right(table) {
            self.facts.crc_errors = self.facts.crc_errors.saturating_add(1);
            issues.add("ts-psi-crc", self.offset, || format!("PID {pid}: section with a wrong CRC-32"));
        } else if pid == 0 {
            self.pat(table);
        } else if self.pmt_pids.contains(&pid) {
            self.pmt(table);
        }
    }

    fn pat(&mut self, table: &[u8]) {
        let pids = psi::pat_pmt_pids(table);
        let facts = &mut self.facts.psi;
        facts.n_pat = facts.n_pat.saturating_add(1);
        facts.n_programs = facts.n_programs.max(u32::try_from(pids.len()).unwrap_or(u32::MAX));
        facts.pat_version = facts.pat_version.or_else(|| psi::version(table));
        for pid in pids {
            if !self.pmt_pids.contains(&pid) && self.pmt_pids.len() < 8 {
                self.pmt_pids.push(pid);
                if let Some(index) = self.pid_index(pid) {
                    self.pids[index].content = Content::Section(Section::default(), 0);
                }
            }
        }
    }

    fn pmt(&mut self, table: &[u8]) {
        let Some((pcr_pid, streams)) = psi::pmt_streams(table) else { return };
        self.seen_pmt = true;
        self.facts.pcr_pid.get_or_insert(pcr_pid);
        let facts = &mut self.facts.psi;
        facts.n_pmt = facts.n_pmt.saturating_add(1);
        facts.pmt_version = facts.pmt_version.or_else(|| psi::version(table));
        facts.packets_to_pmt.get_or_insert(self.n_before_pmt);
        let mut list: Vec<(u16, u8)> = streams.iter().map(|s| (s.pid, s.stream_type)).collect();
        list.sort_unstable();
        if facts.streams.is_empty() {
            facts.streams = list;
        } else if facts.n_programs <= 1 {
            facts.changed |= facts.streams != list;
        }
        for info in streams {
            if self.announced.iter().any(|a| a.pid == info.pid) || self.announced.len() >= crate::MAX_ELEMENTARY {
                continue;
            }
            if let Some(index) = self.pid_index(info.pid)
                && matches!(self.pids[index].content, Content::Unknown)
            {
                self.pids[index].content = if info.is_sections {
                    Content::Section(Section::default(), 0)
                } else {
                    Content::Stream(Box::new(Stream::new(&info)))
                };
            }
            self.announced.push(info);
        }
    }

    pub(crate) fn finish(&mut self, complete: bool, facts: &mut SegmentFacts, issues: &mut Issues) {
        let rest = if self.locked { self.tail.len() } else { 0 };
        if complete && rest > 0 {
            self.facts.trailing_bytes = u32::try_from(rest).unwrap_or(u32::MAX);
            issues.add("ts-partial-packet", self.offset, || format!("{rest} bytes at the end are no whole packet"));
        }
        for info in &self.announced {
            let state = self.pids.iter_mut().find(|p| p.pid == info.pid).map(|p| &mut p.content);
            let n_pes = match state {
                Some(Content::Stream(stream)) => {
                    self.facts.scrambled_pes = self.facts.scrambled_pes.saturating_add(stream.n_scrambled_pes());
                    facts.elementary.push(stream.facts(info));
                    stream.n_pes()
                }
                Some(Content::Section(_, n)) => {
                    facts.elementary.push(ElementaryFacts {
                        id: u32::from(info.pid),
                        kind: info.kind,
                        codec: info.codec.clone(),
                        timescale: 90_000,
                        n_access_units: *n,
                        ..ElementaryFacts::default()
                    });
                    *n
                }
                Some(Content::Unknown) | None => continue,
            };
            if n_pes == 0 {
                self.facts.silent_pids.push(info.pid);
            }
        }
        let with_packets = self.pids.iter().filter(|p| p.n_packets > 0);
        self.facts.pids = with_packets
            .take(MAX_TOLD_PIDS)
            .map(|p| PidFacts {
                pid: p.pid,
                n_packets: p.n_packets,
                first_cc: p.first_cc,
                last_cc: p.last_cc.unwrap_or(p.first_cc),
                cc_errors: p.cc_errors,
            })
            .collect();
        facts.ts = Some(std::mem::take(&mut self.facts));
    }
}

/// Enough of a payload to tell whether it is the same again.
fn signature(payload: &[u8]) -> u64 {
    let word = |at: usize| payload.get(at..at + 8).map_or(0, |w| u64::from_le_bytes(w.try_into().unwrap_or([0; 8])));
    let end = payload.len().saturating_sub(8);
    word(0) ^ word(end / 2).rotate_left(21) ^ word(end).rotate_left(42) ^ payload.len() as u64
}
