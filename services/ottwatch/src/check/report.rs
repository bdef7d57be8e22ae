//! What `ottwatch check` prints: a table for people, JSON, NDJSON and JUnit for machines. Pure.

use std::fmt::Write as _;

use ow_domain::verdict::{Evidence, Subject};
use ow_domain::{Severity, Time};
use ow_service::Exit;
use serde::Serialize;

/// All that was found on one URL.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Entry URL, without its query.
    pub url: String,
    pub started_at: Time,
    pub ended_at: Time,
    /// Requests made.
    pub n_requests: u64,
    /// Sorted: worst first.
    pub findings: Vec<ReportFinding>,
    /// Ids of the checks that came to a result, pass or fail, at least once; sorted.
    pub checks_run: Vec<String>,
    /// Why nothing could be told, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub could_not_tell: Option<String>,
}

/// One kind of fault on one subject.
#[derive(Debug, Clone, Serialize)]
pub struct ReportFinding {
    pub check: String,
    pub severity: Severity,
    pub subject: Subject,
    pub first_seen: Time,
    pub last_seen: Time,
    pub count: u64,
    pub value: String,
    pub limit: String,
    pub message: String,
    /// It passed its hold, or still failed at the end: it counts for the exit code. A passing glitch does not.
    pub standing: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

impl Report {
    /// Worst severity that counts.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().filter(|f| f.standing).map(|f| f.severity).max()
    }

    /// Exit code of this URL alone, given `--fail-on`.
    pub fn exit(&self, fail_on: Severity) -> Exit {
        match self.worst() {
            Some(severity) if severity >= fail_on => match severity {
                Severity::Major | Severity::Critical => Exit::Failure,
                Severity::Warning | Severity::Minor => Exit::Warning,
                _ => Exit::Ok,
            },
            _ if self.could_not_tell.is_some() => Exit::Unknown,
            _ => Exit::Ok,
        }
    }

    /// One plain sentence.
    pub fn sentence(&self) -> String {
        let seconds = (self.ended_at - self.started_at).secs_f64();
        let n = self.findings.iter().filter(|f| f.standing && f.severity.is_alarm()).count();
        match (n, &self.could_not_tell) {
            (0, Some(reason)) => format!("{}: could not tell: {reason}", self.url),
            (0, None) => format!(
                "{}: nothing wrong in {seconds:.0} s, {} requests, {} checks",
                self.url,
                self.n_requests,
                self.checks_run.len()
            ),
            (n, _) => format!(
                "{}: {n} {} in {seconds:.0} s, worst {}: {}",
                self.url,
                if n == 1 { "fault" } else { "faults" },
                self.worst().unwrap_or(Severity::Warning),
                self.findings.iter().find(|f| f.standing).map_or("", |f| f.message.as_str())
            ),
        }
    }
}

/// Exit code over all URLs: the worst one; a fault beats "could not tell".
pub fn exit_of(reports: &[Report], fail_on: Severity) -> Exit {
    let rank = |exit: &Exit| match exit {
        Exit::Failure => 3,
        Exit::Warning => 2,
        Exit::Unknown => 1,
        _ => 0,
    };
    reports.iter().map(|r| r.exit(fail_on)).max_by_key(rank).unwrap_or(Exit::Unknown)
}

/// For people: a sentence per URL, then a line per finding.
pub fn table(reports: &[Report]) -> String {
    let mut out = String::new();
    for report in reports {
        let _ = writeln!(out, "{}", report.sentence());
        for f in &report.findings {
            let glitch = if f.standing { "" } else { " (passed by)" };
            let _ = writeln!(out, "  {:<8} {:<32} {}  x{}{glitch}", f.severity, f.check, f.subject, f.count);
            let _ = writeln!(out, "           {}", f.message);
        }
    }
    out
}

/// One object for one URL, an array for several.
pub fn json(reports: &[Report]) -> Result<String, serde_json::Error> {
    let text = match reports {
        [one] => serde_json::to_string_pretty(one)?,
        many => serde_json::to_string_pretty(many)?,
    };
    Ok(text + "\n")
}

/// One line per finding, each with its URL.
pub fn ndjson(reports: &[Report]) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Line<'r> {
        url: &'r str,
        #[serde(flatten)]
        finding: &'r ReportFinding,
    }
    let mut out = String::new();
    for report in reports {
        for finding in &report.findings {
            out += &serde_json::to_string(&Line { url: &report.url, finding })?;
            out.push('\n');
        }
    }
    Ok(out)
}

/// JUnit XML: a suite per URL, a case per check that ran; a case fails when a standing finding reaches `fail_on`.
pub fn junit(reports: &[Report], fail_on: Severity) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"ottwatch check\">\n");
    for report in reports {
        let mut checks: Vec<&str> = report.checks_run.iter().map(String::as_str).collect();
        checks.extend(report.findings.iter().map(|f| f.check.as_str()));
        checks.sort_unstable();
        checks.dedup();
        let failing = |check: &str| {
            report
                .findings
                .iter()
                .filter(|f| f.check == check && f.standing && f.severity >= fail_on)
                .collect::<Vec<_>>()
        };
        let n_failures = checks.iter().filter(|c| !failing(c).is_empty()).count();
        let n_errors = usize::from(report.could_not_tell.is_some());
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{n_failures}\" errors=\"{n_errors}\" timestamp=\"{}\" time=\"{:.3}\">",
            escape(&report.url),
            checks.len() + n_errors,
            report.started_at,
            (report.ended_at - report.started_at).secs_f64()
        );
        if let Some(reason) = &report.could_not_tell {
            let _ = writeln!(
                out,
                "    <testcase classname=\"ottwatch\" name=\"could-tell\"><error message=\"{}\"/></testcase>",
                escape(reason)
            );
        }
        for check in checks {
            let found = failing(check);
            if found.is_empty() {
                let _ = writeln!(out, "    <testcase classname=\"ottwatch\" name=\"{}\"/>", escape(check));
                continue;
            }
            let _ = writeln!(out, "    <testcase classname=\"ottwatch\" name=\"{}\">", escape(check));
            for f in found {
                let _ = writeln!(
                    out,
                    "      <failure type=\"{}\" message=\"{}\">{}</failure>",
                    f.severity,
                    escape(&f.message),
                    escape(&format!("{}; seen {} times from {} to {}", f.subject, f.count, f.first_seen, f.last_seen))
                );
            }
            out += "    </testcase>\n";
        }
        out += "  </testsuite>\n";
    }
    out + "</testsuites>\n"
}

/// XML text and attribute values; characters that XML 1.0 cannot carry become U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&apos;",
            '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}' => out.push(c),
            _ => out.push('\u{fffd}'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ow_domain::Span;
    use ow_domain::capture::Protocol;

    fn finding(severity: Severity, standing: bool) -> ReportFinding {
        let t = Time::from_unix_micros(1_763_800_000_000_000);
        ReportFinding {
            check: "hls-playlist-stale".into(),
            severity,
            subject: Subject { protocol: Some(Protocol::Hls), stream: None, host: None, track: None, reason: None },
            first_seen: t,
            last_seen: t + Span::from_secs(3),
            count: 3,
            value: "36.2 s".into(),
            limit: "9.1 s".into(),
            message: "newest segment is 36.2 s old & <9.1 s expected".into(),
            standing,
            evidence: None,
        }
    }

    fn report(findings: Vec<ReportFinding>, could_not_tell: Option<&str>) -> Report {
        let t = Time::from_unix_micros(1_763_800_000_000_000);
        Report {
            url: "http://origin/a.m3u8".into(),
            started_at: t,
            ended_at: t + Span::from_secs(60),
            n_requests: 40,
            findings,
            checks_run: vec!["hls-playlist-parse-error".into(), "hls-playlist-stale".into()],
            could_not_tell: could_not_tell.map(str::to_owned),
        }
    }

    #[test]
    fn exit_codes() {
        use Severity::{Critical, Info, Major, Minor, Warning};
        for (found, standing, fail_on, expected) in [
            (None, true, Warning, Exit::Ok),
            (Some(Info), true, Warning, Exit::Ok),
            (Some(Warning), true, Warning, Exit::Warning),
            (Some(Minor), true, Warning, Exit::Warning),
            (Some(Minor), true, Major, Exit::Ok),
            (Some(Major), true, Warning, Exit::Failure),
            (Some(Critical), true, Major, Exit::Failure),
            (Some(Critical), false, Warning, Exit::Ok),
        ] {
            let report = report(found.map(|s| finding(s, standing)).into_iter().collect(), None);
            assert_eq!(report.exit(fail_on), expected, "{found:?} {standing} {fail_on}");
        }
        let blind = report(vec![], Some("no answer was allowed"));
        assert_eq!(blind.exit(Warning), Exit::Unknown);
        assert_eq!(exit_of(&[blind.clone(), report(vec![finding(Major, true)], None)], Warning), Exit::Failure);
        assert_eq!(exit_of(&[blind, report(vec![], None)], Warning), Exit::Unknown);
    }

    #[test]
    fn junit_is_escaped_and_counts() {
        let text = junit(&[report(vec![finding(Severity::Major, true)], None)], Severity::Warning);
        assert!(text.contains("tests=\"2\" failures=\"1\" errors=\"0\""), "{text}");
        assert!(text.contains("old &amp; &lt;9.1 s expected"), "{text}");
        assert!(!escape("a\u{0}b\u{1b}").contains('\u{0}'));
        let clean = junit(&[report(vec![finding(Severity::Minor, true)], None)], Severity::Major);
        assert!(clean.contains("failures=\"0\""), "{clean}");
    }

    #[test]
    fn json_has_the_promised_fields() {
        let one = json(&[report(vec![finding(Severity::Major, true)], None)]).unwrap();
        let value: serde_json::Value = serde_json::from_str(&one).unwrap();
        for field in ["url", "started_at", "findings", "checks_run"] {
            assert!(value.get(field).is_some(), "{field}");
        }
        for field in ["check", "severity", "subject", "first_seen", "last_seen", "count", "value", "limit", "message"] {
            assert!(value["findings"][0].get(field).is_some(), "{field}");
        }
        let two = json(&[report(vec![], None), report(vec![], None)]).unwrap();
        assert!(two.starts_with('['));
    }

    #[test]
    fn the_first_line_is_a_plain_sentence() {
        let text = table(&[report(vec![finding(Severity::Critical, true)], None)]);
        assert!(text.starts_with("http://origin/a.m3u8: 1 fault in 60 s, worst critical: newest segment"), "{text}");
        let fine = table(&[report(vec![], None)]);
        assert_eq!(fine, "http://origin/a.m3u8: nothing wrong in 60 s, 40 requests, 2 checks\n");
    }
}
