//! Silences and maintenance windows: documents -> the values of `ow_alerting`, and what a table of fields cannot say
//! about them.

use std::collections::BTreeMap;

use ow_alerting::{GroupScope, Maintenance, Matcher, Schedule, ScheduleError, Silence};
use ow_domain::config::{ConfigKind, ConfigObject};
use ow_domain::{ChannelId, Span, Time};
use serde_json::Value;

use crate::meaning::{Fault, matcher_faults};
use crate::units::parse_duration;

/// All silences. Objects that cannot be read (which no document that passed the checks leads to) are left out and told
/// of.
pub fn silences(objects: &[ConfigObject]) -> (Vec<Silence>, Vec<String>) {
    collect(objects, ConfigKind::Silence, |object| {
        let spec = &object.spec;
        Ok(Silence {
            name: object.name.to_string(),
            matchers: matchers(spec)?,
            starts_at: time(spec, "startsAt").ok_or("startsAt is not a time")?,
            ends_at: time(spec, "endsAt").ok_or("endsAt is not a time")?,
            comment: text(spec, "comment"),
            created_by: text(spec, "createdBy"),
        })
    })
}

/// All maintenance windows, with the groups among the objects. Objects that cannot be read are left out and told of.
pub fn maintenance(objects: &[ConfigObject]) -> (Vec<Maintenance>, Vec<String>) {
    let groups: BTreeMap<&str, GroupScope> =
        objects.iter().filter(|o| o.kind == ConfigKind::Group).map(|o| (o.name.as_str(), group_scope(o))).collect();
    collect(objects, ConfigKind::Maintenance, |object| {
        let spec = &object.spec;
        let names = spec["groups"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Ok(Maintenance {
            name: object.name.to_string(),
            matchers: matchers(spec)?,
            // A group without an object still is the channels with that label.
            groups: names
                .map(|name| match groups.get(name) {
                    Some(scope) => scope.clone(),
                    None => GroupScope { name: name.to_owned(), ..GroupScope::default() },
                })
                .collect(),
            schedule: schedule(spec).map_err(|fault| format!("{} {}", fault.field, fault.reason))?,
            comment: text(spec, "comment"),
            created_by: text(spec, "createdBy"),
        })
    })
}

/// The channels of a group.
pub fn group_scope(group: &ConfigObject) -> GroupScope {
    let listed = group.spec["channels"].as_array().into_iter().flatten();
    GroupScope {
        name: group.name.to_string(),
        channels: listed.filter_map(|name| ChannelId::new(name.as_str()?).ok()).collect(),
    }
}

fn collect<T>(
    objects: &[ConfigObject],
    kind: ConfigKind,
    read: impl Fn(&ConfigObject) -> Result<T, String>,
) -> (Vec<T>, Vec<String>) {
    let (mut all, mut faults) = (Vec::new(), Vec::new());
    for object in objects.iter().filter(|o| o.kind == kind) {
        match read(object) {
            Ok(value) => all.push(value),
            Err(reason) => faults.push(format!("{}/{}: {reason}", object.kind, object.name)),
        }
    }
    (all, faults)
}

fn matchers(spec: &Value) -> Result<Vec<Matcher>, String> {
    let texts = spec["matchers"].as_array().into_iter().flatten();
    texts.map(|m| m.as_str().unwrap_or_default().parse::<Matcher>().map_err(|error| error.to_string())).collect()
}

fn text(spec: &Value, field: &str) -> String {
    spec[field].as_str().unwrap_or_default().to_owned()
}

fn time(spec: &Value, field: &str) -> Option<Time> {
    spec[field].as_str().and_then(Time::parse_rfc3339)
}

fn fault(spec: &Value, field: &str, reason: String, example: &str) -> Fault {
    Fault { field: field.into(), value: text(spec, field), reason, example: example.into() }
}

pub(crate) fn silence_faults(spec: &Value) -> Vec<Fault> {
    let mut faults = matcher_faults(spec, "matchers");
    faults.extend(end_fault(spec));
    faults
}

fn end_fault(spec: &Value) -> Option<Fault> {
    let (start, end) = (time(spec, "startsAt")?, time(spec, "endsAt")?);
    let example = (start + Span::from_secs(2 * 3600)).to_string();
    (end <= start).then(|| fault(spec, "endsAt", "is not after startsAt".into(), &example))
}

pub(crate) fn maintenance_faults(spec: &Value) -> Vec<Fault> {
    let mut faults = matcher_faults(spec, "matchers");
    let has = |field: &str| spec.get(field).is_some();
    if !has("matchers") && !has("groups") {
        let reason = "is missing, as is groups: without both the window would be about every channel";
        faults.push(fault(spec, "matchers", reason.into(), "matchers: [\"channel=*\"]"));
    }
    match (has("rrule"), has("endsAt"), has("duration")) {
        (_, true, true) => {
            let reason = "is there beside duration; the end of a window is given once";
            faults.push(fault(spec, "endsAt", reason.into(), "duration: 2h"));
        }
        (true, true, false) => {
            let reason = "has a meaning without rrule only; give the duration of each window (a rule ends by UNTIL)";
            faults.push(fault(spec, "endsAt", reason.into(), "duration: 2h"));
        }
        (_, false, false) => {
            faults.push(fault(spec, "duration", "is missing, as is endsAt".into(), "duration: 2h"));
        }
        _ => {
            faults.extend(end_fault(spec));
            faults.extend(schedule(spec).err());
        }
    }
    faults
}

pub(crate) fn zone_fault(spec: &Value) -> Option<Fault> {
    let name = spec["timeZone"].as_str()?;
    let reason = "is not a time zone of the IANA database";
    ow_alerting::zone(name).is_none().then(|| fault(spec, "timeZone", reason.into(), "Asia/Ho_Chi_Minh"))
}

fn schedule(spec: &Value) -> Result<Schedule, Fault> {
    let missing = |field: &str| fault(spec, field, "is not readable".into(), "");
    if let Some(bad_zone) = zone_fault(spec) {
        return Err(bad_zone);
    }
    let start = time(spec, "startsAt").ok_or_else(|| missing("startsAt"))?;
    if let Some(end) = time(spec, "endsAt") {
        return Ok(Schedule::once(start, end));
    }
    let ms = parse_duration(spec["duration"].as_str().unwrap_or_default()).ok_or_else(|| missing("duration"))?;
    let duration = Span::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
    let Some(rule) = spec["rrule"].as_str() else { return Ok(Schedule::once(start, start + duration)) };
    Schedule::recurring(start, duration, rule, spec["timeZone"].as_str().unwrap_or("UTC")).map_err(|error| {
        let reason = match &error {
            ScheduleError::Rule(rule) => format!("is not a rule: {} {}", rule.part, rule.reason),
            other => other.to_string(),
        };
        fault(spec, "rrule", reason, "FREQ=WEEKLY;BYDAY=TU")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SourceFile, read};

    const SET: &str = "
{apiVersion: ottwatch/v1, kind: Silence, metadata: {name: s1}, spec: {matchers: ['channel=vtv3'], startsAt: 2026-12-24T19:00:00+07:00, endsAt: 2026-12-24T23:00:00+07:00, comment: new encoder, createdBy: an}}
---
{apiVersion: ottwatch/v1, kind: Maintenance, metadata: {name: weekly}, spec: {groups: [sport], startsAt: 2026-12-01T02:00:00+07:00, duration: 120m, rrule: 'FREQ=WEEKLY;BYDAY=TU', timeZone: Asia/Ho_Chi_Minh}}
---
{apiVersion: ottwatch/v1, kind: Maintenance, metadata: {name: tonight}, spec: {matchers: ['packager=p7'], startsAt: 2026-12-01T02:00:00+07:00, endsAt: 2026-12-01T04:00:00+07:00}}
---
{apiVersion: ottwatch/v1, kind: Group, metadata: {name: sport}, spec: {channels: [vtv3]}}
";

    #[test]
    fn documents_become_silences_and_windows() {
        let documents = read(&[SourceFile { name: "a".into(), text: SET.into() }]).unwrap_or_else(|p| panic!("{p:#?}"));
        let objects: Vec<ConfigObject> = documents.into_iter().map(|d| d.object).collect();
        let (silences, faults) = silences(&objects);
        assert_eq!((silences.len(), faults), (1, Vec::new()));
        assert_eq!((silences[0].created_by.as_str(), silences[0].comment.as_str()), ("an", "new encoder"));
        let (windows, faults) = maintenance(&objects);
        assert_eq!((windows.len(), faults), (2, Vec::new()));
        let at = |text: &str| Time::parse_rfc3339(text).unwrap();
        let active = |n: usize, text: &str| windows[n].active_at(at(text)).is_some();
        assert_eq!((windows[0].name.as_str(), windows[0].groups[0].channels.len()), ("weekly", 1));
        assert!(active(0, "2026-12-15T03:59:59+07:00") && !active(0, "2026-12-16T03:00:00+07:00"));
        assert!(active(1, "2026-12-01T03:59:59+07:00") && !active(1, "2026-12-08T03:00:00+07:00"));
    }

    #[test]
    fn what_is_stored_and_unreadable_is_told_and_left_out() {
        let object = |kind, spec| ConfigObject {
            kind,
            name: ow_domain::Slug::new("x").unwrap(),
            labels: BTreeMap::new(),
            spec,
            revision: 1,
        };
        let objects = [
            object(ConfigKind::Silence, serde_json::json!({"matchers": ["colour=red"]})),
            object(ConfigKind::Maintenance, serde_json::json!({"startsAt": "2026-12-01T02:00:00Z"})),
        ];
        assert!(silences(&objects).1[0].contains("Silence/x"));
        assert!(maintenance(&objects).1[0].contains("duration"));
    }
}
