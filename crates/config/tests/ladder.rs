//! The ladder of a template: read, told what is wrong, compiled, written back.

use ow_config::{SourceFile, compile_all, export, ladder_spec, read};
use ow_domain::config::ConfigObject;
use ow_domain::ladder::{AudioCodec, AudioRole, DrmSystem, DynamicRange, KbpsRange, TextKind, VideoCodec};

const SET: &str = "
apiVersion: ottwatch/v1
kind: Template
metadata: {name: uhd}
spec:
  ladder:
    video:
      - {resolution: 3840x2160, codec: h265, dynamicRange: hlg, frameRate: 50, bitrateKbps: {min: 12000, max: 18000}}
      - {resolution: 1920x1080, codec: h264, codecString: avc1.640028, frameRate: 29.97}
    audio:
      - {language: vi, codec: aac, channels: 2, default: true}
      - {language: eng, role: description}
    subtitles:
      - {language: en, kind: captions, mandatory: true}
    drm: [widevine, playready]
    clearPeriods: true
    uhd: true
    hdr: hlg
    tolerance: {bitratePercent: 10}
---
apiVersion: ottwatch/v1
kind: Channel
metadata: {name: vtv3}
spec:
  template: uhd
  probes: [hcm-1]
  streams: [{name: main, protocol: hls, url: 'http://o/a.m3u8'}]
  overrides: {ladder: {uhd: true, tolerance: {extraRenditions: true}, drm: [widevine]}}
---
{apiVersion: ottwatch/v1, kind: Probe, metadata: {name: hcm-1}}
";

fn objects(text: &str) -> Vec<ConfigObject> {
    let documents = read(&[SourceFile { name: "t".into(), text: text.into() }])
        .unwrap_or_else(|p| panic!("{}", p.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")));
    documents.into_iter().map(|d| d.object).collect()
}

#[test]
fn a_ladder_is_compiled_and_overridden_key_by_key() {
    let (policies, errors) = compile_all(&objects(SET));
    assert!(errors.is_empty(), "{errors:?}");
    let ladder = policies[0].ladder.as_ref().unwrap();
    let top = &ladder.video[0];
    assert_eq!((top.width, top.height, top.codec), (3840, 2160, Some(VideoCodec::H265)));
    assert_eq!((top.frame_rate, top.dynamic_range), (Some(50.0), Some(DynamicRange::Hlg)));
    assert_eq!(top.bitrate_kbps, Some(KbpsRange { min: 12_000, max: 18_000 }));
    assert_eq!(ladder.video[1].codec_string.as_deref(), Some("avc1.640028"));
    assert_eq!((ladder.audio[0].codec, ladder.audio[0].role), (Some(AudioCodec::Aac), AudioRole::Main));
    assert!(ladder.audio[0].default && ladder.subtitles[0].mandatory && ladder.uhd && ladder.clear_periods);
    assert_eq!(ladder.subtitles[0].kind, TextKind::Captions);
    assert_eq!(ladder.drm, [DrmSystem::Widevine]);
    assert_eq!((ladder.tolerance.bitrate_percent, ladder.tolerance.frame_rate_percent), (10.0, 0.5));
    assert!(ladder.tolerance.extra_renditions);
}

#[test]
fn a_channel_without_a_ladder_has_none() {
    let text = "{apiVersion: ottwatch/v1, kind: Channel, metadata: {name: a}, spec: {probes: [p], \
        streams: [{name: m, protocol: hls, url: 'http://o/a.m3u8'}]}}";
    assert_eq!(compile_all(&objects(text)).0[0].ladder, None);
}

#[test]
fn what_is_written_is_what_was_read() {
    let before = objects(SET);
    let by_name = |mut objects: Vec<ConfigObject>| {
        objects.sort_by_key(|o| (o.kind, o.name.clone()));
        objects
    };
    assert_eq!(by_name(objects(&export(&before))), by_name(before.clone()));
    let (policies, _) = compile_all(&before);
    let spec = ladder_spec(policies[0].ladder.as_ref().unwrap());
    // The template's own ladder, but for what the channel set over it.
    let template = &before[0].spec["ladder"];
    assert_eq!(spec["video"], template["video"]);
    assert_eq!(spec["audio"], template["audio"]);
    assert_eq!(spec["subtitles"], template["subtitles"]);
}

#[test]
fn every_fault_of_a_ladder_is_told_with_an_example() {
    let text = "apiVersion: ottwatch/v1
kind: Template
metadata: {name: bad}
spec:
  ladder:
    video:
      - {resolution: 1080p, frameRate: 0.5, codec: h264, bitrateKbps: {min: 5000, max: 4000}}
      - {resolution: 1280x720}
      - {resolution: 1280x720}
    audio:
      - {language: deutsch!, default: true}
      - {language: vi, default: true}
    subtitles: [{language: e}]
    drm: [widevine]
    tolerance: {bitratePercent: -1}
";
    let problems = read(&[SourceFile { name: "t.yaml".into(), text: text.into() }]).unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for (field, example) in [
        ("spec.ladder.video[0].resolution", "1920x1080"),
        ("spec.ladder.video[0].frameRate", "29.97"),
        ("spec.ladder.video[0].bitrateKbps.max", "{min: 4000, max: 5000}"),
        ("spec.ladder.video[2]", "one entry"),
        ("spec.ladder.audio[0].language", "vi"),
        ("spec.ladder.audio[1].default", "default: false"),
        ("spec.ladder.subtitles[0].language", "en"),
        ("spec.ladder.tolerance.bitratePercent", "20"),
    ] {
        let problem = problems.iter().find(|p| p.field == field).unwrap_or_else(|| panic!("{field}: {told:#?}"));
        assert!(problem.example.contains(example) && !problem.value.is_empty() && problem.line > 5, "{problem:?}");
    }
    assert_eq!(problems.len(), 8, "{told:#?}");
    let text = "apiVersion: ottwatch/v1\nkind: Template\nmetadata: {name: bad}\nspec: {ladder: {video: [{resolution: 1280x720, codec: h246}], drm: [widewine]}}\n";
    let problems = read(&[SourceFile { name: "t.yaml".into(), text: text.into() }]).unwrap_err();
    assert!(problems[0].reason.contains("h264") && problems[1].reason.contains("widevine"), "{problems:?}");
}
