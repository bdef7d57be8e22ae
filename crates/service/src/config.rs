//! One typed struct per service, from a TOML file and then the environment.
//!
//! Loading has no side effect and reports every problem at once, each with key, value, reason and a valid example.

use std::fmt;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// Prefix of environment variables: `OTTWATCH_FETCHER__PROBE=hcm-1` sets `probe` in `[fetcher]`.
pub const ENV_PREFIX: &str = "OTTWATCH_";

/// One wrong setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File or environment variable it came from.
    pub origin: String,
    /// Dotted path below the section, e.g. `fetcher.slots`.
    pub key: String,
    pub value: String,
    pub reason: String,
    pub example: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.key)?;
        if !self.value.is_empty() {
            write!(f, " = {}", self.value)?;
        }
        write!(f, ": {}", self.reason)?;
        match &self.example {
            Some(example) => write!(f, "; a valid example: {example}"),
            None => Ok(()),
        }
    }
}

/// All problems of one load.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            fmt::Display::fmt(problem, f)?;
        }
        Ok(())
    }
}

/// Reads a configuration file. Absent path: an empty table.
pub fn read_file(path: Option<&Path>) -> Result<(Table, String), Problems> {
    let Some(path) = path else { return Ok((Table::new(), "defaults".to_owned())) };
    let origin = path.display().to_string();
    let fail = |reason: String| {
        Problems(vec![Problem {
            origin: origin.clone(),
            key: "file".to_owned(),
            value: String::new(),
            reason,
            example: None,
        }])
    };
    let text = std::fs::read_to_string(path).map_err(|e| fail(format!("cannot be read: {e}")))?;
    let table = text.parse::<Table>().map_err(|e| fail(format!("is not TOML: {}", e.to_string().trim_end())))?;
    Ok((table, origin))
}

/// Loads the section `[section]` of `file` and overlays `OTTWATCH_<SECTION>__<KEY>[__<KEY>]` of `env`.
/// `T` names its defaults; with `#[serde(deny_unknown_fields, default)]` unknown keys are refused.
pub fn load<T>(
    section: &str,
    file: &(Table, String),
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<T, Problems>
where
    T: DeserializeOwned + Serialize + Default,
{
    let defaults = Table::try_from(T::default()).unwrap_or_default();
    let mut settings: Vec<(Vec<String>, Value, String)> = Vec::new();
    let mut problems = Vec::new();
    match file.0.get(section) {
        None => {}
        Some(Value::Table(table)) => leaves(table, &mut Vec::new(), &mut |path, value| {
            settings.push((path.to_vec(), value.clone(), file.1.clone()));
        }),
        Some(other) => problems.push(Problem {
            origin: file.1.clone(),
            key: section.to_owned(),
            value: other.to_string(),
            reason: "must be a table".to_owned(),
            example: Some(format!("[{section}]")),
        }),
    }
    let prefix = format!("{ENV_PREFIX}{}__", section.to_ascii_uppercase().replace('-', "_"));
    let mut from_env: Vec<(String, String)> = env.into_iter().filter(|(k, _)| k.starts_with(&prefix)).collect();
    from_env.sort();
    for (name, text) in from_env {
        let path = name[prefix.len()..].split("__").map(str::to_ascii_lowercase).collect();
        settings.push((path, env_value(&text), name));
    }
    let mut whole = defaults.clone();
    for (path, value, origin) in settings {
        let mut alone = defaults.clone();
        put(&mut alone, &path, value.clone());
        match alone.try_into::<T>() {
            Ok(_) => put(&mut whole, &path, value),
            Err(error) => problems.push(Problem {
                origin,
                key: format!("{section}.{}", path.join(".")),
                value: shown(&path, &value),
                reason: error.message().trim_end().replace('\n', " "),
                example: get(&defaults, &path).map(|v| format!("{} = {v}", path.join("."))),
            }),
        }
    }
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    whole.try_into().map_err(|error| {
        Problems(vec![Problem {
            origin: file.1.clone(),
            key: section.to_owned(),
            value: String::new(),
            reason: error.message().to_owned(),
            example: None,
        }])
    })
}

/// A value as it may be shown: what looks like a secret or carries credentials is not.
fn shown(path: &[String], value: &Value) -> String {
    const HIDDEN: [&str; 5] = ["password", "secret", "token", "dsn", "url"];
    match path.last() {
        Some(key) if HIDDEN.iter().any(|h| key.contains(h)) => "<hidden>".to_owned(),
        _ => value.to_string(),
    }
}

/// `8`, `true`, `["a"]` are read as TOML; anything else is text.
fn env_value(text: &str) -> Value {
    format!("v = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| table.remove("v"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

fn leaves(table: &Table, path: &mut Vec<String>, visit: &mut impl FnMut(&[String], &Value)) {
    for (key, value) in table {
        path.push(key.clone());
        match value {
            Value::Table(inner) if !inner.is_empty() => leaves(inner, path, visit),
            _ => visit(path, value),
        }
        path.pop();
    }
}

fn put(table: &mut Table, path: &[String], value: Value) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut at = table;
    for key in parents {
        let next = at.entry(key.clone()).or_insert_with(|| Value::Table(Table::new()));
        if !next.is_table() {
            *next = Value::Table(Table::new());
        }
        match next {
            Value::Table(inner) => at = inner,
            _ => return,
        }
    }
    at.insert(last.clone(), value);
}

fn get<'t>(table: &'t Table, path: &[String]) -> Option<&'t Value> {
    let (last, parents) = path.split_last()?;
    let mut at = table;
    for key in parents {
        at = at.get(key)?.as_table()?;
    }
    at.get(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::HumanDuration;
    use serde::Deserialize;
    use std::time::Duration;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Sample {
        slots: u32,
        wait: HumanDuration,
        region: Option<String>,
        bus: Bus,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Bus {
        url: String,
    }
    impl Default for Sample {
        fn default() -> Self {
            Self { slots: 100, wait: HumanDuration(Duration::from_secs(5)), region: None, bus: Bus::default() }
        }
    }
    impl Default for Bus {
        fn default() -> Self {
            Self { url: "nats://127.0.0.1:4222".into() }
        }
    }

    fn read(toml: &str, env: &[(&str, &str)]) -> Result<Sample, String> {
        let file = (toml.parse::<Table>().unwrap(), "site.toml".to_owned());
        let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        load("fetcher", &file, env).map_err(|p| p.to_string())
    }

    #[test]
    fn environment_wins_over_file_over_defaults() {
        let got = read(
            "[fetcher]\nslots = 7\nwait = \"250ms\"\n[other]\nx = 1",
            &[("OTTWATCH_FETCHER__SLOTS", "9"), ("OTTWATCH_FETCHER__BUS__URL", "nats://bus"), ("HOME", "/root")],
        )
        .unwrap();
        assert_eq!(got.slots, 9);
        assert_eq!(got.wait.0, Duration::from_millis(250));
        assert_eq!(got.bus.url, "nats://bus");
        assert_eq!(read("", &[]).unwrap(), Sample::default());
        assert_eq!(read("[fetcher]\nregion = \"hcm\"", &[]).unwrap().region.as_deref(), Some("hcm"));
    }

    #[test]
    fn all_problems_are_told_at_once_with_an_example() {
        let text = read("[fetcher]\nslots = \"many\"\nwait = \"5\"\nslotz = 3", &[("OTTWATCH_FETCHER__BUS__URI", "x")])
            .unwrap_err();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[0].contains("fetcher.slots") && lines[0].contains("many") && lines[0].contains("slots = 100"));
        assert!(text.contains("fetcher.slotz") && text.contains("unknown field"), "{text}");
        assert!(text.contains("\"5\" is not a duration"), "{text}");
        assert!(text.contains("OTTWATCH_FETCHER__BUS__URI: fetcher.bus.uri"), "{text}");
    }

    #[test]
    fn secrets_in_wrong_settings_are_not_shown() {
        let text = read("[fetcher.bus]\nurl = 5\n", &[]).unwrap_err();
        assert!(text.contains("<hidden>"), "{text}");
    }
}
