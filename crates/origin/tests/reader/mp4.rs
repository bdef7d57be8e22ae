//! Walks ISO BMFF initialization and media segments.

/// What an initialization segment tells.
#[derive(Debug, PartialEq)]
pub struct Init {
    pub timescale: u32,
    pub handler: String,
    pub sample_entry: String,
    pub track: u32,
}

/// What a media segment holds, times in the track's timescale.
#[derive(Debug, PartialEq)]
pub struct Facts {
    pub sequence: u32,
    pub decode_time: u64,
    pub duration: u64,
    /// Smallest display time.
    pub display_start: u64,
    /// Largest display end.
    pub display_end: u64,
    /// Of each sample: begins with an IDR slice.
    pub idrs: Vec<bool>,
    /// Of each sample: marked as sync.
    pub syncs: Vec<bool>,
}

type Box<'a> = (&'a [u8], &'a [u8], usize);

/// Type, body, and where the body begins.
pub fn boxes(data: &[u8]) -> Vec<Box<'_>> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < data.len() {
        let size = word(data, at) as usize;
        assert!(size >= 8 && at + size <= data.len(), "box of {size} at {at} of {}", data.len());
        out.push((&data[at + 4..at + 8], &data[at + 8..at + size], at + 8));
        at += size;
    }
    out
}

fn one<'a>(data: &'a [u8], kind: &str) -> &'a [u8] {
    let found = boxes(data).into_iter().filter(|b| b.0 == kind.as_bytes()).collect::<Vec<_>>();
    assert_eq!(found.len(), 1, "{kind}");
    found[0].1
}

fn path<'a>(data: &'a [u8], kinds: &[&str]) -> &'a [u8] {
    kinds.iter().fold(data, |d, k| one(d, k))
}

fn word(data: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(data[at..at + 4].try_into().expect("4 bytes"))
}

pub fn init(data: &[u8]) -> Init {
    assert_eq!(boxes(data).iter().map(|b| b.0).collect::<Vec<_>>(), [b"ftyp", b"moov"]);
    let mdia = path(data, &["moov", "trak", "mdia"]);
    let stsd = path(mdia, &["minf", "stbl", "stsd"]);
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    let track = word(path(data, &["moov", "trak", "tkhd"]), 12);
    assert_eq!(word(path(data, &["moov", "mvex", "trex"]), 4), track);
    Init {
        timescale: word(one(mdia, "mdhd"), 12),
        handler: text(&one(mdia, "hdlr")[8..12]),
        sample_entry: text(&stsd[12..16]),
        track,
    }
}

pub fn segment(data: &[u8], init: &Init) -> Facts {
    let top = boxes(data);
    assert_eq!(top.iter().map(|b| b.0).collect::<Vec<_>>(), [b"styp", b"moof", b"mdat"]);
    let (moof, moof_at) = (top[1].1, top[1].2 - 8);
    let (mdat_at, mdat_end) = (top[2].2, data.len());
    let tfhd = path(moof, &["traf", "tfhd"]);
    assert_eq!((word(tfhd, 0), word(tfhd, 4)), (0x02_0028, init.track), "tfhd");
    let (duration, default_flags) = (u64::from(word(tfhd, 8)), word(tfhd, 12));
    let tfdt = path(moof, &["traf", "tfdt"]);
    assert_eq!(tfdt[0], 1, "tfdt of 64 bits");
    let decode_time = u64::from(word(tfdt, 4)) << 32 | u64::from(word(tfdt, 8));
    let trun = path(moof, &["traf", "trun"]);
    let (flags, count) = (word(trun, 0), word(trun, 4) as usize);
    assert!(flags >> 24 == 1 && flags & 0x201 == 0x201 && flags & 0x100 == 0, "trun {flags:#x}");
    let mut at = 8;
    let mut next = || {
        at += 4;
        word(trun, at - 4)
    };
    let mut data_at = moof_at + next() as usize;
    assert_eq!(data_at, mdat_at, "data offset");
    let first_flags = if flags & 4 != 0 { next() } else { default_flags };
    let (mut idrs, mut syncs, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..count {
        let size = next() as usize;
        let own_flags = if flags & 0x400 != 0 { Some(next()) } else { None };
        let offset = if flags & 0x800 != 0 { i64::from(next() as i32) } else { 0 };
        starts.push((decode_time + i as u64 * duration).checked_add_signed(offset).expect("not negative"));
        let told = own_flags.unwrap_or(if i == 0 { first_flags } else { default_flags });
        syncs.push(told & 0x1_0000 == 0);
        // The number of the segment stands before the slices of its first picture.
        let sei = data[data_at + 4] & 0x1f == 6 && init.sample_entry == "avc1";
        let len = u32::from_be_bytes([data[data_at], data[data_at + 1], data[data_at + 2], data[data_at + 3]]);
        let slice_at = if sei { data_at + 4 + len as usize } else { data_at };
        idrs.push(init.sample_entry == "avc1" && data[slice_at + 4] & 0x1f == 5);
        data_at += size;
    }
    assert_eq!(data_at, mdat_end, "samples fill mdat");
    assert_eq!(at, trun.len(), "trun is used up");
    Facts {
        sequence: word(one(moof, "mfhd"), 4),
        decode_time,
        duration: count as u64 * duration,
        display_start: starts.iter().copied().min().expect("samples"),
        display_end: starts.iter().copied().max().expect("samples") + duration,
        idrs,
        syncs,
    }
}
