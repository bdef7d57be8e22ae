//! `ottwatch alarms`.

use ow_service::Exit;
use serde_json::{Value, json};

use super::args::{AlarmArgs, AlarmOrderArgs, AlarmsCommand, AlarmsLsArgs};
use super::http::{ApiError, segment};
use super::{connect, plain, print_items};
use crate::cli::{AlarmState, TailOutput};
use crate::when;

pub async fn run(command: &AlarmsCommand) -> Result<Exit, ApiError> {
    match command {
        AlarmsCommand::Ls(args) => ls(args).await,
        AlarmsCommand::Show(args) => show(args).await,
        AlarmsCommand::Ack(args) => order("ack", args).await,
        AlarmsCommand::Unack(args) => order("unack", args).await,
        AlarmsCommand::Note(args) => order("note", args).await,
        AlarmsCommand::Shelve(args) => order("shelve", args).await,
        AlarmsCommand::Unshelve(args) => order("unshelve", args).await,
        AlarmsCommand::Resolve(args) => order("resolve", args).await,
    }
}

async fn ls(args: &AlarmsLsArgs) -> Result<Exit, ApiError> {
    let state = match args.state {
        AlarmState::Active => "active",
        AlarmState::Cleared => "cleared",
        AlarmState::All => "all",
    };
    let mut query = vec![("state", state.to_owned())];
    if !args.severity.is_empty() {
        let words: Vec<&str> = args.severity.iter().map(|severity| severity.as_str()).collect();
        query.push(("severity", words.join(",")));
    }
    query.extend(args.channel.clone().map(|channel| ("channel", channel)));
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let items = connect(&args.api)?.list("alarms", &query, limit).await?;
    print_items(&items, args.output, "no alarms", line);
    Ok(Exit::Ok)
}

fn line(alarm: &Value) -> String {
    let subject = match &alarm["subject"] {
        Value::Object(parts) => parts.values().map(plain).collect::<Vec<_>>().join("/"),
        other => plain(other),
    };
    let over = match plain(&alarm["cleared_at"]) {
        at if at.is_empty() => String::new(),
        at => format!(", cleared {at}"),
    };
    let acked = match plain(&alarm["acked_by"]) {
        by if by.is_empty() => String::new(),
        by => format!(", acknowledged by {by}"),
    };
    format!(
        "{} {:<8} {} [{} {subject}] since {}{over}{acked}\n    {}",
        plain(&alarm["id"]),
        plain(&alarm["severity"]),
        plain(&alarm["channel_name"]),
        plain(&alarm["check"]),
        plain(&alarm["raised_at"]),
        plain(&alarm["message"]),
    )
}

async fn show(args: &AlarmArgs) -> Result<Exit, ApiError> {
    let alarm = connect(&args.api)?.get(&format!("alarms/{}", segment(&args.alarm)), &[]).await?;
    if args.output == TailOutput::Json {
        println!("{alarm}");
        return Ok(Exit::Ok);
    }
    println!("{}", line(&alarm));
    for name in ["value", "limit", "runbook", "probe"] {
        match plain(&alarm[name]) {
            text if text.is_empty() => {}
            text => println!("    {name}: {text}"),
        }
    }
    for event in alarm["history"].as_array().into_iter().flatten() {
        let parts = ["at", "change", "new_severity", "actor", "cause"].map(|name| plain(&event[name]));
        println!("    {}", parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  "));
    }
    Ok(Exit::Ok)
}

async fn order(word: &str, args: &AlarmOrderArgs) -> Result<Exit, ApiError> {
    let mut body = json!({"ids": args.alarms});
    if let Some(note) = &args.note {
        body["note"] = note.as_str().into();
    }
    if let Some(until) = args.until {
        body["until"] = until.time(when::now()).to_string().into();
    }
    let done = connect(&args.api)?.post(&format!("alarms:{word}"), &body).await?;
    for item in done["items"].as_array().into_iter().flatten() {
        let why = plain(&item["message"]);
        let why = if why.is_empty() { why } else { format!(": {why}") };
        println!("{} {}{why}", plain(&item["id"]), plain(&item["result"]));
    }
    Ok(if done["n_failed"].as_u64() == Some(0) { Exit::Ok } else { Exit::Failure })
}
