//! Other crates' reading of the same bytes: mp4-atom for ISO BMFF, mpeg2ts for transport streams. On what the live packager
//! serves and on the corpus, all numbers that both know must be equal.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use mp4_atom::{Header, Moof, Moov, ReadAtom, ReadFrom};
use mpeg2ts::ts::{ReadTsPacket, TsPacketReader, TsPayload};
use ow_domain::facts::{EsKind, SegmentFacts};
use ow_media::{InitFacts, SegmentParser};
use ow_origin::{Origin, OriginConfig};
use support::{get, listed};

fn parse(bytes: &[u8], init: Option<&InitFacts>) -> (SegmentFacts, Option<InitFacts>) {
    let mut parser = SegmentParser::new(init);
    bytes.chunks(10_007).for_each(|piece| parser.push(piece));
    parser.finish_with_init(true)
}

fn corpus(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name)).unwrap()
}

async fn origin() -> Origin {
    ow_origin::start(OriginConfig { segment_ms: 2_000, ..OriginConfig::default() }).await.unwrap()
}

/// The atoms of these kinds, and where each begins.
struct Theirs {
    moov: Option<Moov>,
    moofs: Vec<Moof>,
    mdat_bytes: u64,
    kinds: Vec<String>,
}

fn atoms(bytes: &[u8]) -> Theirs {
    let mut found = Theirs { moov: None, moofs: Vec::new(), mdat_bytes: 0, kinds: Vec::new() };
    let mut rest = bytes;
    while !rest.is_empty() {
        let header = Header::read_from(&mut rest).unwrap();
        let size = header.size.unwrap_or(rest.len());
        let mut body = &rest[..size];
        match &header.kind.to_string()[..] {
            "moov" => found.moov = Some(Moov::read_atom(&header, &mut body).unwrap()),
            "moof" => found.moofs.push(Moof::read_atom(&header, &mut body).unwrap()),
            "mdat" => found.mdat_bytes += size as u64,
            _ => {}
        }
        found.kinds.push(header.kind.to_string());
        rest = &rest[size..];
    }
    found
}

/// What one track of a segment holds, summed over its fragments.
#[derive(Debug, Default, PartialEq, Eq)]
struct Samples {
    tfdt: Option<u64>,
    n: u32,
    decode_end: i64,
    first_pts: Option<i64>,
    presentation_end: i64,
    bytes: u64,
}

fn samples(moov: &Moov, moofs: &[Moof]) -> BTreeMap<u32, Samples> {
    let mut tracks: BTreeMap<u32, Samples> = BTreeMap::new();
    let trexs = moov.mvex.as_ref().map(|m| m.trex.as_slice()).unwrap_or_default();
    for traf in moofs.iter().flat_map(|moof| &moof.traf) {
        let trex = trexs.iter().find(|t| t.track_id == traf.tfhd.track_id).expect("a trex");
        let of = tracks.entry(traf.tfhd.track_id).or_default();
        let tfdt = traf.tfdt.as_ref().map(|t| t.base_media_decode_time);
        let mut at = tfdt.map_or(of.decode_end, |t| t as i64);
        of.tfdt = of.tfdt.or(tfdt);
        for sample in traf.trun.iter().flat_map(|trun| &trun.samples) {
            let tfhd = &traf.tfhd;
            let duration = sample.duration.or(tfhd.default_sample_duration).unwrap_or(trex.default_sample_duration);
            let size = sample.size.or(tfhd.default_sample_size).unwrap_or(trex.default_sample_size);
            let pts = at + sample.cts.unwrap_or(0);
            of.n += 1;
            of.bytes += u64::from(size);
            of.first_pts = Some(of.first_pts.map_or(pts, |first| first.min(pts)));
            of.presentation_end = of.presentation_end.max(pts + i64::from(duration));
            at += i64::from(duration);
        }
        of.decode_end = at;
    }
    tracks
}

/// One segment read by both.
fn same_fragments(name: &str, init: &[u8], segment: &[u8]) {
    let (told, facts_of_init) = parse(init, None);
    let (ours, _) = parse(segment, facts_of_init.as_ref());
    let moov = atoms(init).moov.expect("a moov");
    let theirs = atoms(segment);
    let declared = &told.mp4.as_ref().unwrap().tracks;
    let tracks: Vec<(u32, u32, String)> =
        moov.trak.iter().map(|t| (t.tkhd.track_id, t.mdia.mdhd.timescale, t.mdia.hdlr.handler.to_string())).collect();
    let known: Vec<(u32, u32, String)> = declared.iter().map(|t| (t.id, t.timescale, t.handler.clone())).collect();
    assert_eq!(known, tracks, "{name}: tracks, timescales and handlers");
    let mp4 = ours.mp4.as_ref().unwrap();
    assert_eq!(mp4.n_fragments as usize, theirs.moofs.len(), "{name}: fragments");
    assert_eq!(mp4.mdat_bytes, theirs.mdat_bytes, "{name}: bytes of media");
    assert_eq!(mp4.boxes, theirs.kinds.iter().take(mp4.boxes.len()).cloned().collect::<Vec<_>>(), "{name}: boxes");
    let samples = samples(&moov, &theirs.moofs);
    assert_eq!(mp4.runs.len(), samples.len(), "{name}");
    for run in &mp4.runs {
        let es = ours.elementary.iter().find(|e| e.id == run.track_id).unwrap();
        let shift = declared.iter().find(|t| t.id == run.track_id).map_or(0, |t| t.edit_shift);
        let found = Samples {
            tfdt: run.tfdt,
            n: es.n_access_units,
            decode_end: run.end_dts.unwrap(),
            first_pts: es.first_pts.map(|t| t + shift),
            presentation_end: es.first_pts.unwrap() + es.duration.unwrap() + shift,
            bytes: es.payload_bytes,
        };
        assert_eq!(&found, &samples[&run.track_id], "{name}: track {}", run.track_id);
    }
}

#[tokio::test]
async fn fragments_are_read_as_mp4_atom_reads_them() {
    let origin = origin().await;
    for rendition in ["240p", "360p", "audio"] {
        let dir = format!("/live/one/cmaf/{rendition}");
        let init = get(&origin, &format!("{dir}/init.mp4")).await;
        let segments = listed(&origin, &format!("{dir}/index.m3u8")).await;
        assert!(segments.len() >= 3, "{rendition}");
        for path in segments.iter().take(3) {
            same_fragments(path, &init, &get(&origin, path).await);
        }
    }
    for name in ["fragments.mp4", "cmaf-cenc.mp4", "cmaf-cbcs.mp4"] {
        let bytes = corpus(name);
        let moof = bytes.windows(4).position(|w| w == b"moof").expect("a fragment") - 4;
        // Boxes between moov and moof (styp, sidx) belong to the segment.
        let moov_end = box_end(&bytes, b"moov");
        same_fragments(name, &bytes[..moov_end], &bytes[moov_end.min(moof)..]);
    }
}

fn box_end(bytes: &[u8], kind: &[u8; 4]) -> usize {
    let at = bytes.windows(4).position(|w| w == kind).unwrap() - 4;
    at + u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// Times and units of one PID.
#[derive(Debug, Default, PartialEq, Eq)]
struct Stream {
    n_pes: u32,
    first_pts: Option<u64>,
    first_dts: Option<u64>,
    last_dts: Option<u64>,
}

/// One segment read by both.
fn same_packets(name: &str, bytes: &[u8]) {
    let (ours, _) = parse(bytes, None);
    let ts = ours.ts.as_ref().unwrap();
    let mut reader = TsPacketReader::new(bytes);
    let (mut n_packets, mut listed, mut pcr_pid, mut pcrs) = (0, Vec::new(), None, Vec::new());
    let mut streams: BTreeMap<u16, Stream> = BTreeMap::new();
    while let Some(packet) = reader.read_ts_packet().unwrap() {
        n_packets += 1;
        if let Some(pcr) = packet.adaptation_field.as_ref().and_then(|field| field.pcr) {
            pcrs.push(pcr.as_u64());
        }
        match packet.payload {
            Some(TsPayload::Pmt(pmt)) => {
                pcr_pid = pmt.pcr_pid.map(|pid| pid.as_u16());
                listed = pmt.es_info.iter().map(|es| (es.elementary_pid.as_u16(), es.stream_type as u8)).collect();
            }
            Some(TsPayload::PesStart(pes)) => {
                let of = streams.entry(packet.header.pid.as_u16()).or_default();
                let pts = pes.header.pts.map(|t| t.as_u64());
                let dts = pes.header.dts.map(|t| t.as_u64()).or(pts);
                of.n_pes += 1;
                of.first_pts = [of.first_pts, pts].into_iter().flatten().min();
                of.first_dts = of.first_dts.or(dts);
                of.last_dts = dts.or(of.last_dts);
            }
            _ => {}
        }
    }
    assert_eq!(ts.n_packets, n_packets, "{name}: packets");
    assert_eq!(ts.psi.streams, listed, "{name}: PIDs and stream types");
    assert_eq!(ts.pcr_pid, pcr_pid, "{name}: PID of the clock");
    let clock = |at: Option<&u64>| at.map(|pcr| *pcr as i64);
    assert_eq!(ts.first_pcr, clock(pcrs.first()), "{name}: first clock reference");
    assert_eq!(ts.last_pcr, clock(pcrs.last()), "{name}: last clock reference");
    assert!(!ours.elementary.is_empty() && ours.elementary.len() == streams.len(), "{name}: {streams:?}");
    for es in &ours.elementary {
        let theirs = &streams[&(es.id as u16)];
        let ticks = |t: Option<i64>| t.and_then(|t| u64::try_from(t).ok());
        assert_eq!(ticks(es.first_pts), theirs.first_pts, "{name}: PID {}", es.id);
        assert_eq!(ticks(es.first_dts), theirs.first_dts, "{name}: PID {}", es.id);
        if es.kind == EsKind::Video {
            assert_eq!(
                (es.n_access_units, ticks(es.last_dts)),
                (theirs.n_pes, theirs.last_dts),
                "{name}: PID {}",
                es.id
            );
        }
    }
}

#[tokio::test]
async fn packets_are_read_as_mpeg2ts_reads_them() {
    let origin = origin().await;
    for rendition in ["240p", "360p"] {
        let segments = listed(&origin, &format!("/live/one/ts/{rendition}/index.m3u8")).await;
        assert!(segments.len() >= 3, "{rendition}");
        for path in segments.iter().take(3) {
            same_packets(path, &get(&origin, path).await);
        }
    }
    for name in ["h264-aac.ts", "h264-eac3.ts", "h265-ac3.ts", "mp2.ts"] {
        same_packets(name, &corpus(name));
    }
}
