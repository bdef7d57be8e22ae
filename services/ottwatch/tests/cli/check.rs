//! `ottwatch check`.

use ow_origin::{FaultKind, FaultSpec, Malformed, ObjectKind};
use serde_json::Value;

use crate::support::{Done, no_segments, origin, run};
use crate::xml::elements;

/// Long enough for the slowest of the checks that are tested, on 2 s segments.
const LOOK: &str = "15s";

/// The only report of `-o json`, with its fields as promised.
fn report(done: &Done) -> Value {
    let report: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|e| panic!("{e}: {done:?}"));
    for field in ["url", "started_at"] {
        assert!(report[field].is_string(), "{field}: {report}");
    }
    assert!(report["started_at"].as_str().unwrap().ends_with('Z'), "{report}");
    assert!(report["checks_run"].as_array().unwrap().iter().all(Value::is_string), "{report}");
    for finding in report["findings"].as_array().unwrap() {
        for field in ["check", "severity", "first_seen", "last_seen", "value", "limit", "message"] {
            assert!(finding[field].is_string(), "{field}: {finding}");
        }
        assert!(finding["subject"].is_object() && finding["count"].as_u64() >= Some(1), "{finding}");
        assert!(finding.get("evidence").is_none_or(Value::is_object), "{finding}");
    }
    report
}

/// Checks and severities of all findings above info, sorted.
fn alarms(report: &Value) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let found = report["findings"].as_array().unwrap().iter();
    let found = found.map(|f| (text(&f["check"]), text(&f["severity"]))).filter(|(_, severity)| severity != "info");
    let mut found: Vec<_> = found.collect();
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn clean_streams_have_no_finding() {
    let origin = origin(vec![]).await;
    let urls = [origin.hls_ts("a"), origin.hls_cmaf("a"), origin.dash_timeline("a"), origin.dash_number("a")];
    let done = run(&["check", &urls[0], "--for", LOOK, "-o", "json"]);
    let together = run(&["check", &urls[1], &urls[2], &urls[3], "--for", LOOK, "-o", "json"]);
    let (done, together) = tokio::join!(done, together);
    assert_eq!(done.code, 0, "{done:?}");
    let one = report(&done);
    assert_eq!(alarms(&one), [], "{one}");
    assert_eq!(one["url"], urls[0]);
    let ran: Vec<&str> = one["checks_run"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for check in ["hls-playlist-stale", "hls-playlist-parse-error", "http-status-segment", "hls-mvp-parse-error"] {
        assert!(ran.contains(&check), "{check} of {ran:?}");
    }
    assert!(done.stderr.starts_with(&format!("{}: nothing wrong in ", urls[0])), "{}", done.stderr);

    assert_eq!(together.code, 0, "{together:?}");
    let reports: Vec<Value> = serde_json::from_str(&together.stdout).unwrap();
    assert_eq!(reports.iter().map(|r| r["url"].as_str().unwrap()).collect::<Vec<_>>(), &urls[1..]);
    for report in &reports {
        assert_eq!(alarms(report), [], "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_broken_stream_is_told_by_the_right_check_alone() {
    let fault = |kind, channel: &str| FaultSpec::new(kind).channel(channel);
    let origin = origin(vec![
        fault(FaultKind::FrozenPlaylist {}, "frozen"),
        no_segments("no-segments"),
        fault(FaultKind::HttpStatus { status: 404 }, "no-master").objects(&[ObjectKind::Mvp]),
        fault(FaultKind::Html {}, "html").objects(&[ObjectKind::Mvp]),
        fault(FaultKind::Malformed { how: Malformed::MissingRequired }, "malformed")
            .rendition("240p")
            .objects(&[ObjectKind::MediaPlaylist]),
        fault(FaultKind::Truncated { after_bytes: None }, "truncated")
            .rendition("240p")
            .objects(&[ObjectKind::Segment]),
    ])
    .await;
    // Nobody listens on a port that was just given back.
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = format!("http://{unused}/a/master.m3u8");
    let mut runs = tokio::task::JoinSet::new();
    // The severity at least: some escalate with time.
    for (url, check, severity) in [
        (origin.hls_ts("frozen"), "hls-playlist-stale", "major"),
        (origin.hls_ts("no-segments"), "http-status-segment", "major"),
        (origin.hls_ts("no-master"), "http-status-manifest", "critical"),
        (origin.hls_ts("html"), "http-body-not-media", "critical"),
        (origin.hls_ts("malformed"), "hls-playlist-parse-error", "major"),
        (origin.hls_ts("truncated"), "http-truncated-body", "major"),
        (refused, "http-connect-failure", "critical"),
    ] {
        runs.spawn(async move {
            let done = run(&["check", &url, "--for", LOOK, "-o", "json"]).await;
            let report = report(&done);
            let found = alarms(&report);
            assert!(found.len() == 1 && found[0].0 == check, "{url}: {report:#}");
            assert!(found[0].1 == severity || found[0].1 == "critical", "{url}: {report:#}");
            assert_eq!(done.code, 2, "{url}: {done:?}");
            let finding = report["findings"].as_array().unwrap().iter().find(|f| f["check"] == check).unwrap();
            assert!(finding["evidence"].is_object(), "{url}: a finding has its proof: {finding}");
            assert!(done.stderr.contains("1 fault in "), "{url}: {}", done.stderr);
        });
    }
    while let Some(run) = runs.join_next().await {
        run.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_output_and_the_limit_of_failure() {
    let origin = origin(vec![no_segments("bad")]).await;
    let (bad, good) = (origin.hls_ts("bad"), origin.hls_ts("good"));
    let look = async |more: &[&str]| {
        let mut args = vec!["check", &bad, &good, "--for", LOOK];
        args.extend(more);
        run(&args).await
    };
    let (table, ndjson, junit, lenient) = tokio::join!(
        look(&[]),
        look(&["-o", "ndjson"]),
        look(&["-o", "junit"]),
        look(&["-o", "junit", "--fail-on", "critical"]),
    );

    assert_eq!(table.code, 2, "{table:?}");
    let lines: Vec<&str> = table.stdout.lines().collect();
    assert!(lines[0].starts_with(&format!("{bad}: 1 fault in 1")) && lines[0].contains("worst major: "), "{table:?}");
    assert!(lines[1].contains("major") && lines[1].contains("http-status-segment"), "{table:?}");
    assert!(lines.last().unwrap().starts_with(&format!("{good}: nothing wrong in ")), "{table:?}");

    assert_eq!(ndjson.code, 2, "{ndjson:?}");
    let lines: Vec<Value> = ndjson.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|l| l["url"] == bad && l["check"] == "http-status-segment"), "{ndjson:?}");
    assert!(lines.iter().all(|l| l["url"] == bad || l["severity"] == "info"), "{ndjson:?}");

    assert_eq!(junit.code, 2, "{junit:?}");
    let tree = elements(&junit.stdout);
    let suites: Vec<_> = tree.iter().filter(|e| e.name == "testsuite").collect();
    let failures = |i: usize| suites[i].get("failures");
    assert_eq!((suites.len(), failures(0), failures(1)), (2, "1", "0"), "{}", junit.stdout);
    assert_eq!((suites[0].get("name"), suites[0].get("errors")), (&*bad, "0"));
    let n_cases = tree.iter().filter(|e| e.name == "testcase").count();
    let told: usize = suites.iter().map(|s| s.get("tests").parse::<usize>().unwrap()).sum();
    assert_eq!(n_cases, told, "{}", junit.stdout);
    let failed: Vec<_> = tree.iter().filter(|e| e.name == "failure").collect();
    assert_eq!((failed.len(), failed[0].get("type")), (1, "major"), "{}", junit.stdout);
    assert!(failed[0].get("message").contains("404"), "{}", junit.stdout);

    assert_eq!(lenient.code, 0, "a major does not reach --fail-on critical: {lenient:?}");
    assert!(!elements(&lenient.stdout).iter().any(|e| e.name == "failure"), "{}", lenient.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_sets_the_terms() {
    let folder = tempfile::tempdir().unwrap();
    let template = |name: &str, settings: &str| {
        let path = folder.path().join(name);
        let text = format!(
            "apiVersion: ottwatch/v1\nkind: Template\nmetadata: {{name: lab}}\nspec:\n  checks:\n    overrides:\n      {settings}\n"
        );
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let off = template("off.yaml", "http-status-segment: {enabled: false}");
    let minor = template("minor.yaml", "http-status-segment: {severity: minor}");
    let wrong = template("wrong.yaml", "http-status-segmnt: {severity: minor}");
    let origin = origin(vec![no_segments("bad")]).await;
    let url = origin.hls_ts("bad");
    let look = async |template: &str| run(&["check", &url, "--for", LOOK, "-o", "json", "--template", template]).await;
    let (off, minor, wrong) = tokio::join!(look(&off), look(&minor), look(&wrong));

    let found = alarms(&report(&off));
    assert!(!found.iter().any(|(check, _)| check == "http-status-segment"), "{off:?}");
    assert_eq!(minor.code, 1, "{minor:?}");
    assert_eq!(alarms(&report(&minor)), [("http-status-segment".to_owned(), "minor".to_owned())], "{minor:?}");
    assert_eq!(wrong.code, 64, "{wrong:?}");
    assert!(wrong.stderr.contains("wrong.yaml:7: ") && wrong.stderr.contains("http-status-segmnt"), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_and_what_is_asked_wrongly() {
    let short = ["--for", "2s"];
    for (args, code, told) in [
        (vec!["check", "http://169.254.169.254/latest/meta-data"], 3, "could not tell: "),
        (vec!["check", "rtmp://origin/live"], 64, "is not an http or https URL"),
        (vec!["check", "master.m3u8"], 64, "is not an http or https URL"),
        (vec!["check"], 64, "<URL>"),
        (vec!["check", "http://h/a.m3u8", "--frobnicate"], 64, "--frobnicate"),
        (vec!["check", "http://h/a.m3u8", "--fail-on", "fatal"], 64, "fatal"),
        (vec!["check", "http://h/a.m3u8", "--template", "/nonexistent.yaml"], 64, "/nonexistent.yaml"),
        (vec!["check", "http://h/a.m3u8", "--ca", "/nonexistent.pem"], 64, "/nonexistent.pem"),
        (vec!["frobnicate"], 64, "frobnicate"),
    ] {
        let mut args = args;
        if args[0] == "check" {
            args.extend(short);
        }
        let done = run(&args).await;
        assert_eq!(done.code, code, "{args:?}: {done:?}");
        let all = format!("{}{}", done.stdout, done.stderr);
        assert!(all.contains(told), "{args:?}: {all}");
    }
    let help = run(&["check", "--help"]).await;
    assert!(help.code == 0 && help.stdout.contains("Examples:"), "{help:?}");
}

/// Credentials of a URL are used, and shown nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_a_url_are_not_shown() {
    let origin = origin(vec![]).await;
    let url = origin.hls_ts("bad").replace("http://", "http://lan:s3cret@") + "?token=t0psecret";
    let done = run(&["check", &url, "--for", "4s", "-o", "json"]).await;
    for secret in ["s3cret", "t0psecret"] {
        assert!(!done.stdout.contains(secret) && !done.stderr.contains(secret), "{done:?}");
    }
    assert_eq!(done.code, 0, "{done:?}");
}
