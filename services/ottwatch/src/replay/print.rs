//! What `ottwatch replay` prints: a table for people, JSON lines for programs.

use std::io::{self, Write};
use std::time::Duration;

use ow_domain::verdict::Verdict;
use ow_validator::replay::{Alarm, AlarmDifference, Difference, Summary};
use serde_json::json;

/// What was judged.
#[derive(Debug, Default)]
pub struct Done {
    pub captures: u64,
    pub ticks: u64,
    /// Facts that the validator does not judge: of another partition or of the future.
    pub refused: u64,
    /// Verdicts inside the range.
    pub verdicts: u64,
    pub took: Duration,
}

pub struct Printer<W: Write> {
    out: W,
    json: bool,
    only_changes: bool,
}

impl<W: Write> Printer<W> {
    pub fn new(out: W, json: bool, only_changes: bool) -> Self {
        Self { out, json, only_changes }
    }

    pub fn head(&mut self, of_alarms: bool) -> io::Result<()> {
        match (self.json, of_alarms) {
            (true, _) => Ok(()),
            (false, false) => {
                writeln!(self.out, "{:<27} {:<16} {:<13} WHAT IS WRONG", "TIME", "CHANNEL", "SEVERITY")
            }
            (false, true) => {
                writeln!(self.out, "A: the policy of the recording. B: the policy of --policy.")
            }
        }
    }

    pub fn verdict(&mut self, verdict: &Verdict, is_change: bool) -> io::Result<()> {
        if self.only_changes && !is_change {
            return Ok(());
        }
        if self.json {
            return self.line(&json!({"verdict": verdict}));
        }
        let wrong: Vec<String> =
            verdict.conditions.iter().map(|c| format!("{} {} [{}]", c.severity, c.check, c.subject)).collect();
        let what = match (&verdict.retired, wrong.is_empty()) {
            (Some(reason), _) => format!("no longer watched: {reason}"),
            (None, true) => "nothing".to_owned(),
            (None, false) => wrong.join("; "),
        };
        let (time, channel, severity) =
            (verdict.as_of.to_string(), verdict.channel.to_string(), verdict.severity.to_string());
        writeln!(self.out, "{time:<27} {channel:<16} {severity:<13} {what}")
    }

    pub fn difference(&mut self, difference: &Difference) -> io::Result<()> {
        if self.json {
            return self.line(&json!({"difference": difference}));
        }
        match difference {
            Difference::Fields { channel, position, as_of, fields } => {
                writeln!(self.out, "{as_of} {channel}: not as published at {}", position.seq)?;
                for field in fields {
                    writeln!(self.out, "    {}: published {}, judged {}", field.path, field.published, field.judged)?;
                }
                Ok(())
            }
            Difference::Unpublished { channel, position, as_of, conditions } => {
                let now = if conditions.is_empty() { "nothing is wrong".to_owned() } else { conditions.join(", ") };
                writeln!(self.out, "{as_of} {channel}: a change at {} was not published: {now}", position.seq)
            }
        }
    }

    pub fn alarm_differences(&mut self, found: &[AlarmDifference]) -> io::Result<()> {
        for difference in found {
            if self.json {
                self.line(&json!({"alarm_difference": difference}))?;
                continue;
            }
            match difference {
                AlarmDifference::OnlyInA(alarm) => writeln!(self.out, "only in A  {}", text(alarm))?,
                AlarmDifference::OnlyInB(alarm) => writeln!(self.out, "only in B  {}", text(alarm))?,
                AlarmDifference::Changed { a, b } => {
                    writeln!(self.out, "in A       {}\n  in B     {}", text(a), text(b))?;
                }
            }
        }
        if !self.json && found.is_empty() {
            writeln!(self.out, "no alarm differs")?;
        }
        Ok(())
    }

    pub fn end(&mut self, done: &Done, summary: Option<Summary>) -> io::Result<()> {
        if self.json {
            let Done { captures, ticks, refused, verdicts, .. } = done;
            self.line(&json!({"summary": {
                "captures": captures, "ticks": ticks, "refused": refused, "verdicts": verdicts, "published": summary,
            }}))?;
        }
        self.out.flush()?;
        let rate = (done.captures + done.ticks) as f64 / done.took.as_secs_f64().max(1e-6);
        eprintln!(
            "{} captures and {} ticks judged in {:.1} s ({rate:.0}/s), {} verdicts",
            done.captures,
            done.ticks,
            done.took.as_secs_f64(),
            done.verdicts
        );
        if let Some(Summary { equal, different, unpublished, not_judged }) = summary {
            eprintln!(
                "published verdicts: {equal} identical, {different} different, {not_judged} not judged again; {unpublished} changes were not published"
            );
        }
        Ok(())
    }

    fn line(&mut self, value: &serde_json::Value) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, value)?;
        self.out.write_all(b"\n")
    }
}

fn text(alarm: &Alarm) -> String {
    let end = alarm.cleared_at.map_or_else(|| "(still there)".to_owned(), |at| at.to_string());
    format!(
        "{} .. {end}  {} {} {} [{}]: {}",
        alarm.raised_at, alarm.channel, alarm.severity, alarm.check, alarm.subject, alarm.message
    )
}
