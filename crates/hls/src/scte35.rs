//! `splice_info_section` (ANSI/SCTE 35, section 9) as it stands in playlists: hexadecimal in `EXT-X-DATERANGE`, base64 elsewhere.

/// Longest section: 12 bits of length after three bytes.
const MAX_SECTION: usize = 4_096 + 3;
/// Segmentation descriptors read of one section.
const MAX_SEGMENTATIONS: usize = 16;
/// `CUEI`.
const IDENTIFIER: u64 = 0x4355_4549;

/// One section. Times are in ticks of 90 kHz, 33 bits, `pts_adjustment` added where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpliceInfo {
    pub command: SpliceCommand,
    /// Segmentation descriptors, at most 16.
    pub segmentations: Vec<Segmentation>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpliceCommand {
    Null,
    Schedule,
    Insert(SpliceInsert),
    /// `None`: at once.
    TimeSignal {
        pts: Option<u64>,
    },
    BandwidthReservation,
    Private,
    /// The section is encrypted.
    Hidden,
}

/// SCTE 35 9.7.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpliceInsert {
    pub event_id: u32,
    pub cancelled: bool,
    /// From programme to break; else back.
    pub out_of_network: bool,
    /// `None`: at once, or by component.
    pub pts: Option<u64>,
    pub duration: Option<u64>,
    /// The break ends by itself after its duration.
    pub auto_return: bool,
}

/// SCTE 35 10.3.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segmentation {
    pub event_id: u32,
    /// `None` when the event is cancelled.
    pub type_id: Option<u8>,
    pub duration: Option<u64>,
}

/// Why bytes are no section that can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpliceFault {
    NotHex,
    NotBase64,
    TableId,
    /// The bytes are fewer or more than `section_length` says.
    Length,
    Crc,
    UnknownCommand,
    /// A field reaches past the end of what holds it.
    CommandTooShort,
    DescriptorTooShort,
}

impl SpliceFault {
    /// Words for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotHex => "text that is not hexadecimal",
            Self::NotBase64 => "text that is not base64",
            Self::TableId => "a table id other than 0xFC",
            Self::Length => "a wrong section length",
            Self::Crc => "a wrong CRC-32",
            Self::UnknownCommand => "an unknown splice command",
            Self::CommandTooShort => "a splice command that is cut",
            Self::DescriptorTooShort => "a descriptor that is cut",
        }
    }
}

/// Reads `0xFC30...`; without the prefix too.
///
/// # Errors
/// What is wrong with the text or the section.
pub fn splice_info_from_hex(text: &str) -> Result<SpliceInfo, SpliceFault> {
    let text = text.trim();
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text).as_bytes();
    if !digits.len().is_multiple_of(2) || digits.len() > 2 * MAX_SECTION {
        return Err(SpliceFault::NotHex);
    }
    let digit = |d: &u8| char::from(*d).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let byte = |pair: &[u8]| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?);
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    splice_info(&bytes.ok_or(SpliceFault::NotHex)?)
}

/// Reads `/DAl...==`; padding may be missing.
///
/// # Errors
/// What is wrong with the text or the section.
pub fn splice_info_from_base64(text: &str) -> Result<SpliceInfo, SpliceFault> {
    let digits = text.trim().trim_end_matches('=');
    if digits.len() % 4 == 1 || digits.len() > MAX_SECTION * 2 {
        return Err(SpliceFault::NotBase64);
    }
    let mut bytes = Vec::with_capacity(digits.len());
    let (mut bits, mut n_bits) = (0u32, 0);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return Err(SpliceFault::NotBase64),
        };
        bits = bits << 6 | u32::from(value);
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            bytes.push((bits >> n_bits & 0xff) as u8);
        }
    }
    splice_info(&bytes)
}

/// Reads one section; nothing but stuffing may follow it.
///
/// # Errors
/// What is wrong with it.
pub fn splice_info(bytes: &[u8]) -> Result<SpliceInfo, SpliceFault> {
    if bytes.first() != Some(&0xfc) {
        return Err(SpliceFault::TableId);
    }
    let mut head = Fields(bytes);
    let section_length = head.take(3).ok_or(SpliceFault::Length)? & 0xfff;
    let total = 3 + usize::try_from(section_length).unwrap_or(usize::MAX);
    let (section, rest) = bytes.split_at_checked(total).ok_or(SpliceFault::Length)?;
    // Header of 14 bytes, length of descriptors, CRC.
    if total < 20 || rest.iter().any(|b| !matches!(b, 0 | 0xff)) {
        return Err(SpliceFault::Length);
    }
    if crc(section) != 0 {
        return Err(SpliceFault::Crc);
    }
    let mut fields = Fields(section.get(4..total - 4).unwrap_or_default());
    let mut next = |n| fields.take(n).ok_or(SpliceFault::CommandTooShort);
    let (flags, _, lengths, kind) = (next(5)?, next(1)?, next(3)?, next(1)?);
    let adjustment = flags & WRAP_MASK;
    if flags >> 39 & 1 == 1 {
        return Ok(SpliceInfo { command: SpliceCommand::Hidden, segmentations: Vec::new() });
    }
    let length = usize::try_from(lengths & 0xfff).unwrap_or(usize::MAX);
    let before = fields.0;
    // 0xfff: not told (older revisions).
    let mut body = match length {
        0xfff => Fields(before),
        _ => Fields(before.get(..length).ok_or(SpliceFault::CommandTooShort)?),
    };
    let n_body = body.0.len();
    let (command, is_read) = match kind {
        0 => (SpliceCommand::Null, true),
        4 => (SpliceCommand::Schedule, false),
        5 => (SpliceCommand::Insert(insert(&mut body, adjustment).ok_or(SpliceFault::CommandTooShort)?), true),
        6 => {
            let pts = splice_time(&mut body, adjustment).ok_or(SpliceFault::CommandTooShort)?;
            (SpliceCommand::TimeSignal { pts }, true)
        }
        7 => (SpliceCommand::BandwidthReservation, true),
        0xff => (SpliceCommand::Private, false),
        _ => return Err(SpliceFault::UnknownCommand),
    };
    let used = if length == 0xfff { n_body - body.0.len() } else { length };
    if length == 0xfff && !is_read {
        // Where its descriptors begin cannot be told.
        return Ok(SpliceInfo { command, segmentations: Vec::new() });
    }
    let mut rest = Fields(before.get(used..).unwrap_or_default());
    Ok(SpliceInfo { command, segmentations: segmentations(&mut rest).ok_or(SpliceFault::DescriptorTooShort)? })
}

const WRAP_MASK: u64 = (1 << 33) - 1;

/// CRC-32 of MPEG-2 systems; zero over a section with its own.
fn crc(section: &[u8]) -> u32 {
    section.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            if crc & 0x8000_0000 != 0 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 }
        })
    })
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// A big-endian number of up to eight bytes.
    fn take(&mut self, n: usize) -> Option<u64> {
        Some(self.bytes(n)?.iter().fold(0, |sum, b| sum << 8 | u64::from(*b)))
    }
    fn byte(&mut self) -> Option<u8> {
        self.bytes(1)?.first().copied()
    }
    fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(n)?;
        self.0 = tail;
        Some(head)
    }
}

/// `splice_time()`: the outer `None` is too few bytes.
fn splice_time(fields: &mut Fields<'_>, adjustment: u64) -> Option<Option<u64>> {
    let first = fields.byte()?;
    if first & 0x80 == 0 {
        return Some(None);
    }
    let pts = u64::from(first & 1) << 32 | fields.take(4)?;
    Some(Some((pts + adjustment) & WRAP_MASK))
}

fn insert(fields: &mut Fields<'_>, adjustment: u64) -> Option<SpliceInsert> {
    let mut insert = SpliceInsert { event_id: u32::try_from(fields.take(4)?).ok()?, ..SpliceInsert::default() };
    insert.cancelled = fields.byte()? & 0x80 != 0;
    if insert.cancelled {
        return Some(insert);
    }
    let flags = fields.byte()?;
    let (whole, has_duration, immediate) = (flags & 0x40 != 0, flags & 0x20 != 0, flags & 0x10 != 0);
    insert.out_of_network = flags & 0x80 != 0;
    if whole && !immediate {
        insert.pts = splice_time(fields, adjustment)?;
    }
    if !whole {
        for _ in 0..fields.byte()? {
            fields.byte()?;
            if !immediate {
                splice_time(fields, adjustment)?;
            }
        }
    }
    if has_duration {
        let duration = fields.take(5)?;
        insert.auto_return = duration >> 39 & 1 == 1;
        insert.duration = Some(duration & WRAP_MASK);
    }
    // unique_program_id, avail_num, avails_expected.
    fields.bytes(4)?;
    Some(insert)
}

fn segmentations(fields: &mut Fields<'_>) -> Option<Vec<Segmentation>> {
    let length = usize::try_from(fields.take(2)?).ok()?;
    let mut descriptors = Fields(fields.bytes(length)?);
    let mut found = Vec::new();
    while !descriptors.0.is_empty() && found.len() < MAX_SEGMENTATIONS {
        let tag = descriptors.byte()?;
        let length = usize::from(descriptors.byte()?);
        let mut body = Fields(descriptors.bytes(length)?);
        // Those of others carry what they like.
        if body.take(4)? == IDENTIFIER && tag == 2 {
            found.push(segmentation(&mut body)?);
        }
    }
    Some(found)
}

fn segmentation(fields: &mut Fields<'_>) -> Option<Segmentation> {
    let event_id = u32::try_from(fields.take(4)?).ok()?;
    if fields.byte()? & 0x80 != 0 {
        return Some(Segmentation { event_id, type_id: None, duration: None });
    }
    let flags = fields.byte()?;
    if flags & 0x80 == 0 {
        let n = usize::from(fields.byte()?);
        fields.bytes(n * 6)?;
    }
    let duration = if flags & 0x40 != 0 { Some(fields.take(5)?) } else { None };
    fields.byte()?;
    let n = usize::from(fields.byte()?);
    fields.bytes(n)?;
    let type_id = Some(fields.byte()?);
    fields.bytes(2)?;
    Some(Segmentation { event_id, type_id, duration })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn section(kind: u8, command: &[u8], descriptors: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xfc, 0x30, 0, 0, 0, 0, 0, 0, 10, 0, 0xff, 0xf0, command.len() as u8, kind];
        bytes.extend_from_slice(command);
        bytes.extend_from_slice(&[0, descriptors.len() as u8]);
        bytes.extend_from_slice(descriptors);
        bytes[2] = (bytes.len() + 4 - 3) as u8;
        let sum = crc(&bytes);
        bytes.extend_from_slice(&sum.to_be_bytes());
        bytes
    }

    fn hex(bytes: &[u8]) -> String {
        format!("0x{}", bytes.iter().map(|b| format!("{b:02X}")).collect::<String>())
    }

    #[test]
    fn a_splice_insert_is_read_whole() {
        let command = [0, 0, 0, 7, 0x7f, 0xef, 0xfe, 0, 0, 0x10, 0, 0xfe, 0, 0x29, 0x32, 0xe0, 0, 1, 0, 0];
        let read = splice_info_from_hex(&hex(&section(5, &command, &[]))).unwrap();
        let expected = SpliceInsert {
            event_id: 7,
            cancelled: false,
            out_of_network: true,
            pts: Some(0x1000 + 10),
            duration: Some(2_700_000),
            auto_return: true,
        };
        assert_eq!(read, SpliceInfo { command: SpliceCommand::Insert(expected), segmentations: Vec::new() });
    }

    #[test]
    fn a_time_signal_has_segmentations() {
        let mut descriptor = vec![2, 20, b'C', b'U', b'E', b'I', 0, 0, 0, 9, 0x7f, 0xff, 0, 0, 0x29, 0x32, 0xe0];
        descriptor.extend_from_slice(&[0, 0, 0x34, 1, 1]);
        let read = splice_info(&section(6, &[0xff, 0xff, 0xff, 0xff, 0xff], &descriptor)).unwrap();
        // 33 bits wrap.
        assert_eq!(read.command, SpliceCommand::TimeSignal { pts: Some(9) });
        let expected = Segmentation { event_id: 9, type_id: Some(0x34), duration: Some(2_700_000) };
        assert_eq!(read.segmentations, [expected]);
    }

    /// A section that is often printed as the example of SCTE 35 (14.1): the reader agrees with bytes made by others.
    #[test]
    fn a_section_made_by_others_is_read() {
        let read =
            splice_info_from_base64("/DA0AAAAAAAA///wBQb+cr0AUAAeAhxDVUVJSAAAjn/PAAGlmbAICAAAAAAsoKGKNAIAmsnRfg==");
        let read = read.unwrap();
        assert_eq!(read.command, SpliceCommand::TimeSignal { pts: Some(0x0_72bd_0050) });
        let expected = Segmentation { event_id: 0x4800_008e, type_id: Some(0x34), duration: Some(0x1_a599b0) };
        assert_eq!(read.segmentations, [expected]);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let good = section(0, &[], &[]);
        let check = |change: &dyn Fn(&mut Vec<u8>), expected| {
            let mut bytes = good.clone();
            change(&mut bytes);
            assert_eq!(splice_info(&bytes), Err(expected));
        };
        check(&|b| b[0] = 0xfd, SpliceFault::TableId);
        check(&|b| b[4] = 1, SpliceFault::Crc);
        check(&|b| b[2] += 1, SpliceFault::Length);
        check(&|b| b.push(1), SpliceFault::Length);
        assert_eq!(splice_info(&section(3, &[], &[])), Err(SpliceFault::UnknownCommand));
        assert_eq!(splice_info(&section(5, &[0, 0, 0], &[])), Err(SpliceFault::CommandTooShort));
        assert_eq!(splice_info(&section(0, &[], &[2, 9, 0])), Err(SpliceFault::DescriptorTooShort));
        assert_eq!(splice_info_from_hex("0xFCA"), Err(SpliceFault::NotHex));
        assert_eq!(splice_info_from_hex("0xZZ"), Err(SpliceFault::NotHex));
        assert_eq!(splice_info_from_base64("/DA*"), Err(SpliceFault::NotBase64));
        assert_eq!(splice_info_from_base64(""), Err(SpliceFault::TableId));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(kind in prop_oneof![Just(0u8), Just(4), Just(5), Just(6), Just(0xff), any::<u8>()],
                          command in proptest::collection::vec(any::<u8>(), 0..60),
                          descriptors in proptest::collection::vec(any::<u8>(), 0..60)) {
            let bytes = section(kind, &command, &descriptors);
            let first = splice_info(&bytes);
            prop_assert_eq!(&splice_info_from_hex(&hex(&bytes)), &first);
            for end in 0..bytes.len() {
                prop_assert!(splice_info(&bytes[..end]).is_err());
            }
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = (splice_info_from_hex(&text), splice_info_from_base64(&text));
        }
    }
}
