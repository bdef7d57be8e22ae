//! `ottwatch silences`.

use ow_domain::Span;
use ow_service::Exit;
use reqwest::Method;
use serde_json::json;

use super::args::{NameArgs, SilencesAddArgs, SilencesCommand, SilencesLsArgs};
use super::http::{ApiError, segment};
use super::{connect, plain, print_items};
use crate::when;

/// Most silences of a list.
const MAX: usize = 10_000;

pub async fn run(command: &SilencesCommand) -> Result<Exit, ApiError> {
    match command {
        SilencesCommand::Ls(args) => ls(args).await,
        SilencesCommand::Add(args) => add(args).await,
        SilencesCommand::End(args) => end(args).await,
    }
}

async fn ls(args: &SilencesLsArgs) -> Result<Exit, ApiError> {
    let items = connect(&args.api)?.list("silences", &[], MAX).await?;
    print_items(&items, args.output, "no silences", |silence| {
        let spec = &silence["spec"];
        let [name, matchers, starts, ends, comment] =
            [&silence["name"], &spec["matchers"], &spec["startsAt"], &spec["endsAt"], &spec["comment"]].map(plain);
        format!("{name}  {matchers}  {starts} to {ends}  {comment}")
    });
    Ok(Exit::Ok)
}

async fn add(args: &SilencesAddArgs) -> Result<Exit, ApiError> {
    let starts = when::now();
    let name = args.name.clone().unwrap_or_else(|| format!("cli-{}", starts.unix_micros() / 1_000));
    let body = json!({"name": name, "spec": {
        "matchers": args.matchers,
        "startsAt": starts.to_string(),
        "endsAt": (starts + Span::from_std(args.lasts.0)).to_string(),
        "comment": args.comment,
    }});
    // Without If-Match a name that is taken is refused: a silence is made here, never changed.
    let api = connect(&args.api)?;
    api.send(Method::PUT, &format!("silences/{}", segment(&name)), &[], Some(&body)).await?;
    println!("{name}");
    Ok(Exit::Ok)
}

async fn end(args: &NameArgs) -> Result<Exit, ApiError> {
    let patch = json!({"spec": {"endsAt": when::now().to_string()}});
    let path = format!("silences/{}", segment(&args.name));
    connect(&args.api)?.send(Method::PATCH, &path, &[], Some(&patch)).await?;
    println!("{} is over", args.name);
    Ok(Exit::Ok)
}
