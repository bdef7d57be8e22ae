//! The command-line client of the REST interface: what operators do by hand and by script.
//!
//! Start reading at [`http::Api`]; where it asks is [`context`], each resource is a file.

mod alarms;
pub mod args;
mod channels;
mod completion;
mod context;
mod contexts_cmd;
mod http;
mod import;
mod routing;
mod silences;

use anyhow::Result;
use ow_service::{Exit, telemetry};
use serde_json::Value;

use crate::cli::{ClientCommand, TailOutput};
use args::ApiArgs;
use context::Contexts;
use http::{Api, ApiError};

pub use completion::print as print_completion;

/// Runs one command; problems go to standard error.
pub async fn main(command: &ClientCommand) -> Result<Exit> {
    let done = match command {
        ClientCommand::Alarms { command } => alarms::run(command).await,
        ClientCommand::Channels { command } => channels::run(command).await,
        ClientCommand::Import(args) => import::run(args).await,
        ClientCommand::Silences { command } => silences::run(command).await,
        ClientCommand::Route { command } => routing::explain(command).await,
        ClientCommand::Receiver { command } => routing::test(command).await,
        ClientCommand::Context { command } => contexts_cmd::run(command),
    };
    Ok(done.unwrap_or_else(|error| {
        eprintln!("{}", telemetry::chain(&error));
        error.exit()
    }))
}

fn connect(args: &ApiArgs) -> Result<Api, ApiError> {
    let target = context::target(args, || Contexts::read(&context::file()?))?;
    Api::new(target)
}

/// One line of JSON each, or text, or a word when there is none.
fn print_items(items: &[Value], output: TailOutput, none: &str, text: impl Fn(&Value) -> String) {
    for item in items {
        match output {
            TailOutput::Json => println!("{item}"),
            TailOutput::Text => println!("{}", text(item)),
        }
    }
    if items.is_empty() && output == TailOutput::Text {
        println!("{none}");
    }
}

/// A value as a reader expects it: text without quotes, nothing for what is absent.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.chars().filter(|c| !c.is_control()).collect(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
