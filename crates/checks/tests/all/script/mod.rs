//! The language of the fixtures: one input per line, `=>` and the findings it must give. See fixtures/README.md.

mod doc;
mod http;
mod ladder;
mod media;
mod mp4;
mod mpd;
mod playlist;
mod probe;
mod ts;

use std::collections::BTreeMap;

use ow_checks::{ChannelJudge, Finding};
use ow_domain::capture::{
    BlockingReload, BodyEnd, Capture, EarlyTries, Exchange, Failure, FailureKind, ManifestBody, ObjectKind, Outcome,
    PartPromise, Phase, Promised, Protocol, Removed, Response, Timings, TlsFacts, Track, TrackKind,
};
use ow_domain::job::{FetchLimits, StreamJob};
use ow_domain::policy::{ChannelClass, ChannelPolicy, CheckSettings, TagRule};
use ow_domain::verdict::Position;
use ow_domain::{ChannelId, ProbeId, Span, StreamId, Time, TrackId};

pub const START: Time = Time::from_unix_micros(1_800_000_000_000_000);

/// One case of a fixture file.
pub struct Case {
    pub file: String,
    pub name: String,
    pub lines: Vec<(usize, String)>,
}

/// Every fenced block of a file with the heading above it.
pub fn cases(file: &str, text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let (mut name, mut block) = (String::new(), None);
    for (index, line) in text.lines().enumerate() {
        if let Some(heading) = line.strip_prefix("## ") {
            name = heading.trim().to_owned();
        } else if line.starts_with("```") {
            block = match block.take() {
                None => Some(Vec::new()),
                Some(lines) => {
                    cases.push(Case { file: file.to_owned(), name: name.clone(), lines });
                    None
                }
            };
        } else if let Some(block) = &mut block {
            let code = line.split(" # ").next().unwrap_or(line).trim();
            if !code.is_empty() && !code.starts_with('#') {
                block.extend(expand(code).into_iter().map(|line| (index + 1, line)));
            }
        }
    }
    assert!(block.is_none(), "{file}: a block is not closed");
    cases
}

/// `repeat 20 0.5 at 3 ...` is twenty such lines, half a second apart; `{i}` counts them, and what is expected is
/// expected of the last.
fn expand(line: &str) -> Vec<String> {
    let Some(rest) = line.strip_prefix("repeat ") else { return vec![line.to_owned()] };
    let mut parts = rest.splitn(5, ' ');
    let mut next = || parts.next().unwrap_or_else(|| panic!("{line}: repeat <n> <step> at <time> ..."));
    let (n, step, _, from, input) = (next(), next(), next(), next(), next());
    let (n, step, from): (usize, f64, f64) = (n.parse().unwrap(), step.parse().unwrap(), from.parse().unwrap());
    let (input, expected) = input.split_once("=>").unwrap_or((input, ""));
    let one = |i: usize| {
        let expected = if i + 1 == n { expected } else { "" };
        let mut input = input.replace("{i}", &i.to_string());
        while let Some((head, (factor, tail))) =
            input.split_once("{i*").and_then(|(h, t)| Some((h, t.split_once('}')?)))
        {
            let (factor, base) = factor.split_once('+').unwrap_or((factor, "0"));
            let number = |text: &str| text.parse::<usize>().unwrap_or_else(|_| panic!("{line}: {text} is no number"));
            input = format!("{head}{}{tail}", i * number(factor) + number(base));
        }
        format!("at {:.3} {input} =>{expected}", from + i as f64 * step)
    };
    (0..n).map(one).collect()
}

/// Words and `key=value` options of a line.
struct Words<'a> {
    words: Vec<&'a str>,
    options: BTreeMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    fn new(text: &'a str) -> Self {
        let (mut words, mut options) = (Vec::new(), BTreeMap::new());
        for word in text.split_whitespace() {
            match word.split_once('=') {
                Some((key, value)) => {
                    options.insert(key, value);
                }
                None => words.push(word),
            }
        }
        Self { words, options }
    }
    fn number(&self, key: &str) -> Option<f64> {
        self.options.get(key).map(|v| v.parse().unwrap_or_else(|_| panic!("{key}={v} is no number")))
    }
    fn has(&self, word: &str) -> bool {
        self.words.contains(&word)
    }
    /// `key.103=value` as (103, value).
    fn numbered(&self, key: &str) -> BTreeMap<u64, &'a str> {
        let numbered = self.options.iter().filter_map(|(k, v)| {
            let number = k.strip_prefix(key)?.strip_prefix('.')?;
            Some((number.parse().unwrap_or_else(|_| panic!("{k} has no number")), *v))
        });
        numbered.collect()
    }
    fn list(&self, key: &str) -> Vec<u64> {
        self.options
            .get(key)
            .map(|v| v.split(',').map(|n| n.parse().unwrap_or_else(|_| panic!("{key}: {n}"))).collect())
            .unwrap_or_default()
    }
}

/// Runs a case; returns every finding. Panics with file, line and difference where something else was expected.
pub fn run(case: &Case) -> Vec<Finding> {
    let mut policy = policy();
    let mut judge: Option<ChannelJudge> = None;
    let mut seq = 0;
    let mut all = Vec::new();
    // An offer of a ladder fixture leaves out what its check does not look at.
    let of_ladder: &[&str] = &["hls-mvp-codecs-missing", "hls-mvp-duplicate-variant"];
    let left_out = if case.file.contains("/ladder/") { of_ladder } else { &[] };
    // The MPDs of fixtures list a few segments of a window of a minute.
    let of_window: &[&str] = if case.file.contains("tsb-short") { &[] } else { &["dash-tsb-short"] };
    let left_out = left_out.iter().chain(of_window);
    let mut ignored: Vec<String> = left_out.map(|id| (*id).to_owned()).collect();
    let mut own = probe::Own::new();
    for (number, line) in &case.lines {
        let place = format!("{}:{number} ({}): {line}", case.file, case.name);
        let (input, expected) = line.split_once("=>").map_or((line.as_str(), ""), |(a, b)| (a.trim(), b.trim()));
        let words = Words::new(input);
        match words.words.first().copied() {
            Some("policy") => {
                set_policy(&mut policy, &words);
                if let Some(judge) = &mut judge {
                    judge.set_policy(policy.clone(), judge.now());
                }
            }
            Some("ignore") => ignored.extend(words.words[1..].iter().map(|w| (*w).to_owned())),
            Some("conditions") => {
                let judge = judge.as_ref().unwrap_or_else(|| panic!("{place}: nothing was judged yet"));
                let found: Vec<String> = judge
                    .conditions()
                    .iter()
                    .chain(&own.conditions())
                    .filter(|c| !ignored.contains(&c.check))
                    .map(|c| describe(&c.check, c.severity, c.subject.track.as_ref(), c.subject.reason.as_deref()))
                    .collect();
                compare(&place, expected, found);
            }
            Some("at" | "tick") => {
                let at =
                    START + Span::from_secs_f64(words.words[1].parse().unwrap_or_else(|_| panic!("{place}: time")));
                let judge = judge.get_or_insert_with(|| ChannelJudge::new(policy.clone(), START));
                seq += 1;
                let position = Position { epoch: 1, seq };
                let mut judged = if words.words[0] == "tick" {
                    judge.tick(at, position)
                } else if words.has("probe") {
                    own.report(&words, at, position)
                } else {
                    let mut capture = capture(&words, at, seq);
                    http::dress(&mut capture, &words);
                    own.attach(&mut capture);
                    judge.apply(&capture, position)
                };
                if words.words[0] == "tick" {
                    judged.findings.extend(own.tick(at, position));
                }
                // A snapshot in between changes nothing.
                let text = serde_json::to_string(&*judge).unwrap();
                *judge = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{place}: snapshot: {e}"));
                for finding in &judged.findings {
                    check_finding(&place, finding);
                }
                let found: Vec<String> = judged
                    .findings
                    .iter()
                    .filter(|f| !ignored.contains(&f.check))
                    .map(|f| describe(&f.check, f.severity, f.subject.track.as_ref(), f.subject.reason.as_deref()))
                    .collect();
                compare(&place, expected, found);
                all.extend(judged.findings);
            }
            _ => panic!("{place}: unknown line"),
        }
    }
    all
}

/// Every message is one sentence of at most 255 bytes that names the measured and the expected value.
fn check_finding(place: &str, finding: &Finding) {
    let Finding { message, value, limit, .. } = finding;
    assert!(message.len() <= 255 && !message.contains('\n'), "{place}: {message}");
    assert!(!value.is_empty() && message.contains(value.as_str()), "{place}: {message:?} lacks {value:?}");
    assert!(!limit.is_empty() && message.contains(limit.as_str()), "{place}: {message:?} lacks {limit:?}");
    let evidence = finding.evidence.as_ref().unwrap_or_else(|| panic!("{place}: no evidence"));
    assert!(!evidence.url.contains('?'), "{place}: {}", evidence.url);
}

fn describe(check: &str, severity: ow_domain::Severity, track: Option<&TrackId>, reason: Option<&str>) -> String {
    let mut text = format!("{check} {severity}");
    if let Some(track) = track {
        text.push_str(&format!(" {track}"));
    }
    if let Some(reason) = reason {
        text.push_str(&format!(" ({reason})"));
    }
    text
}

/// Expectations name check and severity, and track and reason where they matter; order does not matter.
fn compare(place: &str, expected: &str, mut found: Vec<String>) {
    let mut wanted: Vec<&str> = expected.split(';').map(str::trim).filter(|w| !w.is_empty() && *w != "none").collect();
    let before = found.clone();
    wanted.retain(|want| {
        let words: Vec<&str> = want.split_whitespace().collect();
        let hit = found.iter().position(|f| {
            let have: Vec<&str> = f.split_whitespace().collect();
            have.len() >= 2
                && words.len() >= 2
                && have[..2] == words[..2]
                && words[2..].iter().all(|w| have.contains(w))
        });
        match hit {
            Some(at) => {
                found.remove(at);
                false
            }
            None => true,
        }
    });
    assert!(
        wanted.is_empty() && found.is_empty(),
        "{place}\n  found    {before:?}\n  missing  {wanted:?}\n  surplus  {found:?}"
    );
}

/// The capture of an `at` line.
pub fn capture_of(line: &str, seq: u64) -> Capture {
    let words = Words::new(line);
    capture(&words, START + Span::from_secs_f64(words.words[1].parse().unwrap()), seq)
}

/// Channel `vtv3` with one HLS stream and no grace.
pub fn policy() -> ChannelPolicy {
    ChannelPolicy {
        channel: ChannelId::new("vtv3").unwrap(),
        name: "VTV3".into(),
        revision: 1,
        enabled: true,
        class: ChannelClass::Linear,
        streams: vec![StreamJob {
            stream: StreamId::new("main").unwrap(),
            protocol: Protocol::Hls,
            url: "http://o.example/live/master.m3u8?token=secret".into(),
            headers: Vec::new(),
            depth: Default::default(),
        }],
        probes: Vec::new(),
        limits: FetchLimits::default(),
        checks: CheckSettings { startup_grace_s: Some(0.0), ..CheckSettings::default() },
        ladder: None,
        event_start: None,
        event_end: None,
        labels: Default::default(),
        packager: None,
        region: None,
        runbook: None,
    }
}

fn set_policy(policy: &mut ChannelPolicy, words: &Words<'_>) {
    policy.revision += 1;
    policy.checks.web_clients |= words.has("web-clients");
    policy.checks.trickplay |= words.has("trickplay");
    policy.checks.apple_rules |= words.has("apple-rules");
    for (key, value) in &words.options {
        let number = || value.parse::<f64>().unwrap_or_else(|_| panic!("{key}={value}"));
        match *key {
            "class" => policy.class = serde_json::from_value((*value).into()).unwrap(),
            "end" => policy.event_end = Some(START + Span::from_secs_f64(number())),
            "grace" => policy.checks.startup_grace_s = Some(number()),
            "latency-max" => policy.checks.latency_max_s = Some(number()),
            "entry" if *value == "https" => policy.streams[0].url = "https://o.example/live/master.m3u8".into(),
            "entry" => policy.streams[0].url = format!("http://o.example/live/{value}"),
            "apple" => policy.checks.apple_rules = *value == "yes",
            "break-interval" => policy.checks.ad_break_interval_s = Some(number()),
            "dvr" => policy.checks.dvr_window_s = Some(number() as u32),
            key if key.starts_with("param.") => {
                let (check, param) = key["param.".len()..].split_once('.').expect("param.CHECK.NAME=");
                policy.checks.overrides.entry(check.to_owned()).or_default().params.insert(param.to_owned(), number());
            }
            "off" => policy.checks.overrides.entry((*value).to_owned()).or_default().enabled = Some(false),
            // `rule=NAME/TAG/EXPECT/VALUE/EVERY`, empty where it says nothing.
            "rule" => {
                let part: Vec<&str> = value.split('/').collect();
                let said = |at: usize| part.get(at).filter(|p| !p.is_empty()).map(|p| (*p).to_owned());
                policy.checks.tag_rules.push(TagRule {
                    name: part[0].to_owned(),
                    tag: part[1].to_owned(),
                    expect: said(2).map(|text| serde_json::from_value(text.into()).unwrap()),
                    value: said(3),
                    every_s: said(4).map(|text| text.parse().unwrap()),
                    severity: None,
                });
            }
            "origin" => policy.streams[0].headers = vec![("Origin".into(), (*value).into())],
            "origin-header" => policy.checks.origin_headers = vec![(*value).into()],
            _ => assert!(ladder::agree(policy, key, value), "policy: {key} is unknown"),
        }
    }
}

fn capture(words: &Words<'_>, at: Time, seq: u64) -> Capture {
    let took = Span::from_secs_f64(words.number("took").unwrap_or(0.0));
    let kind = words.words.get(2).copied().unwrap_or_default();
    let track_name = words.options.get("track").copied().unwrap_or("video");
    let object = match words.options.get("of").copied().unwrap_or(kind) {
        "mvp" | "offer" => ObjectKind::Mvp,
        "doc" | "mpd" => ObjectKind::Mpd,
        "init" => ObjectKind::Init,
        "segment" => ObjectKind::Segment,
        "part" => ObjectKind::Part,
        "key" => ObjectKind::Key,
        "list" | "playlist" => ObjectKind::MediaPlaylist,
        other => panic!("{other} is no object"),
    };
    let host = words.options.get("host").copied().unwrap_or("http://o.example");
    let number = words.number("num").map(|n| n as u64);
    let url = match object {
        ObjectKind::Mvp => format!("{host}/live/master.m3u8?token={seq}"),
        ObjectKind::Mpd => match words.options.get("asked") {
            Some(url) => (*url).to_owned(),
            None => format!("{host}/live/manifest.mpd?token={seq}"),
        },
        ObjectKind::MediaPlaylist => {
            format!("{host}/live/{}.m3u8?token={seq}", words.options.get("url").unwrap_or(&track_name))
        }
        ObjectKind::Key => format!("{host}/keys/{}?token={seq}", words.options.get("name").unwrap_or(&"k")),
        ObjectKind::Init => format!("{host}/live/{track_name}-init.mp4?token={seq}"),
        ObjectKind::Part if words.has("hinted") => {
            let (number, part) = (number.unwrap_or(0), words.options.get("part").unwrap_or(&"0"));
            format!("{host}/live/p{number}.{part}.mp4")
        }
        _ => format!("{host}/live/{track_name}-{}.ts?token={seq}", number.unwrap_or(seq)),
    };
    let (outcome, body) = outcome(words, kind, at + took);
    let is_segment = matches!(object, ObjectKind::Segment | ObjectKind::Part);
    let is_media = is_segment || (object == ObjectKind::Init && words.has("mp4"));
    let media = is_media && matches!(&outcome, Outcome::Response(r) if matches!(r.status, 200 | 206));
    Capture {
        id: format!("capture-{seq}"),
        channel: ChannelId::new("vtv3").unwrap(),
        stream: StreamId::new(words.options.get("stream").unwrap_or(&"main")).unwrap(),
        protocol: match words.options.get("protocol") {
            Some(&"dash") => Protocol::Dash,
            _ if object == ObjectKind::Mpd || words.options.contains_key("avail") => Protocol::Dash,
            _ => Protocol::Hls,
        },
        probe: ProbeId::new("hcm-1").unwrap(),
        job_revision: 1,
        seq,
        object,
        track: (!matches!(object, ObjectKind::Mvp | ObjectKind::Mpd)).then(|| declared(track_name, words)),
        promised: (is_segment || object == ObjectKind::Key).then(|| Promised {
            number,
            duration_us: Some(Span::from_secs_f64(words.number("dur").unwrap_or(6.0)).micros()),
            discontinuity: words.has("disc"),
            independent: words.has("independent"),
            key_method: words.options.get("key").map(|v| (*v).to_owned()),
            key_ids: words.options.get("kids").map(|k| k.split(',').map(str::to_owned).collect()).unwrap_or_default(),
            has_map: (is_segment && !words.has("no-map") && words.has("mp4"))
                .then_some(true)
                .or(words.has("no-map").then_some(false)),
            early: early(words, at),
            dash: mp4::promise(words),
            removed: words.options.get("removed").map(|text| removed(text)),
            part: (object == ObjectKind::Part).then(|| PartPromise {
                index: words.number("part").unwrap_or(0.0) as u32,
                offset_us: Span::from_secs_f64(words.number("offset").unwrap_or(0.0)).micros(),
                independent: words.has("independent"),
                hinted: words.has("hinted"),
            }),
            ..Promised::listed(at + -Span::from_secs_f64(words.number("listed").unwrap_or(0.0)))
        }),
        exchange: Exchange {
            origin: url.split("/live").next().unwrap_or_default().to_owned(),
            url,
            final_url: None,
            method: "GET".into(),
            t_req: at,
            t_end: at + took,
            timings: Timings { reused: words.has("reused"), ttfb_us: Some(5_000), ..Timings::default() },
            remote_addr: Some("192.0.2.7:80".into()),
            http_version: Some("HTTP/1.1".into()),
            tls: words.number("cert-left").map(|left| TlsFacts {
                version: "TLSv1.3".into(),
                cipher: "TLS13_AES_128_GCM_SHA256".into(),
                not_after: Some(at + Span::from_secs_f64(left * 86_400.0)),
                not_before: words.number("cert-validity").map(|v| at + Span::from_secs_f64((left - v) * 86_400.0)),
                leaf_sha256: Some("ab".repeat(32)),
            }),
            redirects: Vec::new(),
            failed_addresses: Vec::new(),
            outcome,
        },
        clock_uncertainty_us: words.number("u").map_or(0, |u| Span::from_secs_f64(u).micros()),
        body: body.map(|text| ManifestBody { text, lossy: false }),
        facts: media.then(|| media::facts(words)),
        retry: words.has("retry"),
        extra: words.has("extra"),
        late_polls: words.number("late").unwrap_or(0.0) as u32,
        blocking: words.options.get("ask").map(|asked| {
            let (msn, part) = asked.split_once('.').map_or((*asked, None), |(msn, part)| (msn, Some(part)));
            let part = part.map(|part| part.parse().unwrap());
            BlockingReload { msn: msn.parse().unwrap(), part, skip: words.has("skip") }
        }),
        time_checks: Vec::new(),
        probe_facts: None,
    }
}

/// `listed-early=0.75 tries=3`: the last try that failed, so long after the segment was listed; `waits`, `cached`.
fn early(words: &Words<'_>, at: Time) -> Option<EarlyTries> {
    let listed = words.number("listed").unwrap_or(0.0);
    let last = words.number("listed-early").map(|late| at + Span::from_secs_f64(late - listed));
    (last.is_some() || words.has("waits")).then(|| EarlyTries {
        n: words.number("tries").unwrap_or(0.0) as u32,
        last,
        status: last.map(|_| 404),
        remote_addr: last.map(|_| "192.0.2.8:80".into()),
        from_cache: words.has("cached"),
        waits: words.has("waits"),
    })
}

/// `removed=36,0,30`: left a playlist of 36 s; first and last listed at, seconds since the start.
fn removed(text: &str) -> Removed {
    let mut spans = text.split(',').map(|s| Span::from_secs_f64(s.parse().expect("seconds")));
    let mut next = || spans.next().expect("removed=WINDOW,FIRST,LAST");
    Removed { window_us: next().micros(), first_listed_at: START + next(), last_listed_at: START + next() }
}

/// The rendition as the manifest declares it: `bandwidth= average= codecs= res= lang= frame-rate= video-range= declared-channels= muxed`.
fn declared(name: &str, words: &Words<'_>) -> Track {
    let mut track = track(name);
    let number = |key: &str| words.number(key).map(|n| n as u64);
    track.bandwidth = number("bandwidth").or(track.bandwidth);
    track.average_bandwidth = number("average");
    track.codecs = words.options.get("codecs").map(|c| (*c).to_owned());
    track.language = words.options.get("lang").map(|l| (*l).to_owned());
    track.frame_rate_milli = words.number("frame-rate").map(|f| (f * 1_000.0).round() as u32);
    track.video_range = words.options.get("video-range").map(|r| (*r).to_owned());
    track.channels = words.options.get("declared-channels").map(|c| (*c).to_owned());
    if words.has("muxed") {
        track.kind = TrackKind::Muxed;
    }
    if let Some(size) = words.options.get("res") {
        let (width, height) = size.split_once('x').expect("WxH");
        (track.width, track.height) = (width.parse().ok(), height.parse().ok());
    }
    track
}

fn track(name: &str) -> Track {
    let kind = match name.split('-').next() {
        Some("audio") => TrackKind::Audio,
        Some("text") => TrackKind::Text,
        _ => TrackKind::Video,
    };
    Track {
        id: TrackId::new(name).unwrap(),
        kind,
        // Audio renditions declare no bit rate.
        bandwidth: (kind != TrackKind::Audio).then_some(5_000_000),
        average_bandwidth: None,
        frame_rate_milli: None,
        video_range: None,
        channels: None,
        width: None,
        height: None,
        codecs: None,
        language: None,
    }
}

fn outcome(words: &Words<'_>, kind: &str, t_end: Time) -> (Outcome, Option<String>) {
    let named = |text: &str| serde_json::Value::from(text);
    if kind == "fail" {
        let phase: Phase = serde_json::from_value(named(words.words[3])).unwrap();
        let kind: FailureKind = serde_json::from_value(named(words.words[4])).unwrap();
        return (Outcome::Failed(Failure { phase, kind, detail: "as scripted".into() }), None);
    }
    let mut status = 200;
    let mut body = None;
    match kind {
        "status" => status = words.words[3].parse().unwrap(),
        "list" => body = Some(playlist::media(words, t_end)),
        "mvp" => body = Some(playlist::multivariant(words)),
        "offer" => body = Some(ladder::multivariant(words)),
        "doc" => body = Some(ladder::protected(doc::mpd(words, t_end), words)),
        "mpd" => body = Some(mpd::mpd(words, t_end)),
        "html" => body = Some("<!DOCTYPE html><html><body>Welcome</body></html>\n".to_owned()),
        "segment" | "part" | "init" | "key" => status = words.number("status").map_or(200, |s| s as u16),
        other => panic!("{other} is no input"),
    }
    let mut body_end = if status >= 400 { BodyEnd::NotRead } else { BodyEnd::Complete };
    if let Some(end) = words.options.get("end") {
        body_end = serde_json::from_value(named(end)).unwrap();
        body = None;
    }
    // A segment has 4 Mbit/s, sound 128 kbit/s, unless it says otherwise.
    let is_audio = words.options.get("track").is_some_and(|t| t.starts_with("audio"));
    let media = words.number("media").or(words.number("dur")).unwrap_or(6.0);
    let usual = body.as_ref().map_or((media * if is_audio { 16_000.0 } else { 500_000.0 }) as u64, |b| b.len() as u64);
    let bytes = words.number("bytes").map_or(usual, |b| b as u64);
    let identity = words.options.get("digest").map(|d| (*d).to_owned()).or_else(|| body.clone());
    let mut headers = vec![("server".to_owned(), "packager".to_owned())];
    if let Some(age) = words.options.get("age") {
        headers.push(("age".into(), (*age).into()));
    }
    let response = Response {
        status,
        headers,
        body_bytes: bytes,
        content_length: Some(words.number("length").map_or(bytes, |l| l as u64)),
        body_end,
        digest: identity.map(|text| {
            let hash =
                text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
            format!("{hash:064x}")
        }),
        sniff: None,
    };
    (Outcome::Response(response), body)
}
