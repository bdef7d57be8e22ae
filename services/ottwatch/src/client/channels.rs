//! `ottwatch channels`.

use ow_service::Exit;
use reqwest::Method;
use serde_json::{Value, json};

use super::args::{ChannelsCommand, ChannelsLsArgs, NameArgs, NamesArgs};
use super::http::{ApiError, segment};
use super::{connect, plain, print_items};

/// Most channels of a list.
const MAX: usize = 100_000;

pub async fn run(command: &ChannelsCommand) -> Result<Exit, ApiError> {
    match command {
        ChannelsCommand::Ls(args) => ls(args).await,
        ChannelsCommand::Show(args) => show(args).await,
        ChannelsCommand::Pause(args) => enable(args, false).await,
        ChannelsCommand::Resume(args) => enable(args, true).await,
    }
}

async fn ls(args: &ChannelsLsArgs) -> Result<Exit, ApiError> {
    let mut query = Vec::new();
    if !args.severity.is_empty() {
        let words: Vec<&str> = args.severity.iter().map(|severity| severity.as_str()).collect();
        query.push(("severity", words.join(",")));
    }
    let labels: Vec<(String, String)> = args
        .label
        .iter()
        .map(|label| {
            let (name, value) = label.split_once('=').unwrap_or((label, ""));
            (format!("label.{name}"), value.to_owned())
        })
        .collect();
    query.extend(labels.iter().map(|(name, value)| (name.as_str(), value.clone())));
    for (name, value) in [("q", &args.q), ("template", &args.template), ("packager", &args.packager)] {
        query.extend(value.clone().map(|value| (name, value)));
    }
    let items = connect(&args.api)?.list("channels", &query, MAX).await?;
    print_items(&items, args.output, "no channels", |channel| {
        let paused = if channel["spec"]["enabled"] == json!(false) { "  paused" } else { "" };
        let conditions = match channel["status"]["n_conditions"].as_u64() {
            Some(0) | None => String::new(),
            Some(1) => "  1 condition".to_owned(),
            Some(n) => format!("  {n} conditions"),
        };
        let (severity, name) = (plain(&channel["status"]["severity"]), plain(&channel["name"]));
        format!("{severity:<13} {name}  {}{conditions}{paused}", plain(&channel["spec"]["displayName"]))
    });
    Ok(Exit::Ok)
}

async fn show(args: &NameArgs) -> Result<Exit, ApiError> {
    let channel = connect(&args.api)?.get(&format!("channels/{}", segment(&args.name)), &[]).await?;
    println!("{channel:#}");
    Ok(Exit::Ok)
}

async fn enable(args: &NamesArgs, enabled: bool) -> Result<Exit, ApiError> {
    let api = connect(&args.api)?;
    let patch: Value = json!({"spec": {"enabled": enabled}});
    let mut exit = Exit::Ok;
    for name in &args.names {
        match api.send(Method::PATCH, &format!("channels/{}", segment(name)), &[], Some(&patch)).await {
            Ok(_) => println!("{name} {}", if enabled { "is watched" } else { "is paused" }),
            Err(error @ ApiError::Problem { status: ..500, .. }) => {
                eprintln!("{name}: {error}");
                exit = Exit::Failure;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(exit)
}
