//! `emsg`, `prft` and `sidx`: boxes between the fragments that carry times of their own.

use ow_domain::facts::{EventMessage, ProducerTime, SegmentIndex};

use super::boxes::{digest, full, hex};
use crate::bits::Fields;

/// Longest scheme and value kept, bytes.
const MAX_TEXT: usize = 128;
/// Longest SCTE 35 message kept, bytes.
const MAX_MESSAGE: usize = 512;
/// Seconds from 1900-01-01 to 1970-01-01.
const NTP_TO_UNIX: i64 = 2_208_988_800;

/// A string that ends with a zero byte.
fn string(f: &mut Fields<'_>) -> Option<String> {
    let end = f.0.iter().position(|b| *b == 0)?;
    let text = f.take(end)?;
    f.u8()?;
    let mut text = String::from_utf8_lossy(text).into_owned();
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    Some(text)
}

/// `None` when it cannot be read: an unknown version, strings without end, too short.
pub(crate) fn emsg(body: &[u8]) -> Option<EventMessage> {
    let (version, _, mut f) = full(body)?;
    let mut event = EventMessage { version, ..EventMessage::default() };
    match version {
        0 => {
            event.scheme = string(&mut f)?;
            event.value = string(&mut f)?;
            event.timescale = f.u32()?;
            event.presentation_time_delta = Some(f.u32()?);
            event.duration = f.u32()?;
            event.id = f.u32()?;
        }
        1 => {
            event.timescale = f.u32()?;
            event.presentation_time = Some(f.u64()?);
            event.duration = f.u32()?;
            event.id = f.u32()?;
            event.scheme = string(&mut f)?;
            event.value = string(&mut f)?;
        }
        _ => return None,
    }
    event.message_bytes = u32::try_from(f.0.len()).unwrap_or(u32::MAX);
    event.digest = digest([f.0]);
    let is_scte35 = event.scheme.contains("scte35");
    event.message = (is_scte35 && f.0.len() <= MAX_MESSAGE).then(|| hex(f.0));
    Some(event)
}

pub(crate) fn prft(body: &[u8]) -> Option<ProducerTime> {
    let (version, flags, mut f) = full(body)?;
    let track_id = f.u32()?;
    let (seconds, fraction) = (i64::from(f.u32()?), i64::from(f.u32()?));
    let media_time = if version == 0 { u64::from(f.u32()?) } else { f.u64()? };
    let utc_us = (seconds - NTP_TO_UNIX) * 1_000_000 + ((fraction * 1_000_000) >> 32);
    Some(ProducerTime { track_id, utc_us, media_time, flags })
}

pub(crate) fn sidx(body: &[u8]) -> Option<SegmentIndex> {
    let (version, _, mut f) = full(body)?;
    let mut index = SegmentIndex { reference_id: f.u32()?, timescale: f.u32()?, ..SegmentIndex::default() };
    if version == 0 {
        index.earliest_presentation_time = u64::from(f.u32()?);
        index.first_offset = u64::from(f.u32()?);
    } else {
        index.earliest_presentation_time = f.u64()?;
        index.first_offset = f.u64()?;
    }
    f.u16()?;
    let n = f.u16()?;
    index.n_references = u32::from(n);
    for _ in 0..n {
        let (size, duration) = (f.u32()?, f.u32()?);
        f.u32()?;
        if size >> 31 == 0 {
            index.bytes += u64::from(size);
            index.duration += u64::from(duration);
        }
    }
    Some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_both_versions() {
        let v0 =
            [&[0; 4][..], b"urn:x\0v\0", &[0, 0, 0x03, 0xe8, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 9], b"data"]
                .concat();
        let event = emsg(&v0).unwrap();
        assert_eq!((event.scheme.as_str(), event.value.as_str(), event.timescale), ("urn:x", "v", 1_000));
        assert_eq!((event.presentation_time_delta, event.presentation_time), (Some(5), None));
        assert_eq!((event.duration, event.id, event.message_bytes, event.message), (u32::MAX, 9, 4, None));
        let v1 = [
            &[1, 0, 0, 0, 0, 1, 0x5f, 0x90, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1][..],
            b"urn:scte:scte35:2013:bin\0\0",
            &[0xfc, 0x30],
        ]
        .concat();
        let event = emsg(&v1).unwrap();
        assert_eq!((event.presentation_time, event.duration, event.timescale), (Some(1 << 32), 7, 90_000));
        assert_eq!(event.message.as_deref(), Some("fc30"));
        for cut in 0..v0.len() - 4 {
            assert!(emsg(&v0[..cut]).is_none(), "{cut}");
        }
        assert!(emsg(&[2; 60]).is_none());
    }

    #[test]
    fn producer_time_in_utc() {
        // 2026-11-22T00:00:00.5Z.
        let seconds = u32::try_from(1_795_305_600 + NTP_TO_UNIX).unwrap();
        let body = [&[1, 0, 0, 0, 0, 0, 0, 1][..], &seconds.to_be_bytes(), &[0x80, 0, 0, 0], &[0, 0, 0, 1, 0, 0, 0, 0]]
            .concat();
        let time = prft(&body).unwrap();
        assert_eq!((time.track_id, time.utc_us, time.media_time), (1, 1_795_305_600_500_000, 1 << 32));
    }

    #[test]
    fn segment_index_sums() {
        let body = [
            &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0x03, 0xe8, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 3][..],
            &[0, 0, 0, 100, 0, 0, 0, 5, 0x90, 0, 0, 0],
            &[0x80, 0, 0, 50, 0, 0, 0, 9, 0, 0, 0, 0],
            &[0, 0, 0, 1, 0, 0, 0, 6, 0x90, 0, 0, 0],
        ]
        .concat();
        let index = sidx(&body).unwrap();
        assert_eq!((index.earliest_presentation_time, index.n_references), (10, 3));
        assert_eq!((index.bytes, index.duration), (101, 11));
        assert!(sidx(&body[..body.len() - 1]).is_none());
    }
}
