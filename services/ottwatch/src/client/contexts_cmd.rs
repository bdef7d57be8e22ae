//! `ottwatch context`.

use ow_service::Exit;

use super::args::ContextCommand;
use super::context::{Context, Contexts, address, file};
use super::http::ApiError;

pub fn run(command: &ContextCommand) -> Result<Exit, ApiError> {
    let path = file()?;
    let mut contexts = Contexts::read(&path)?;
    match command {
        ContextCommand::Ls => {
            for (name, context) in &contexts.contexts {
                let mark = if contexts.current.as_ref() == Some(name) { '*' } else { ' ' };
                let anonymous = if context.token_file.is_none() { "  (anonymous)" } else { "" };
                println!("{mark} {name}  {}{anonymous}", context.url);
            }
            if contexts.contexts.is_empty() {
                println!("no contexts; for example: ottwatch context add prod --url https://ottwatch.example.net");
            }
            return Ok(Exit::Ok);
        }
        ContextCommand::Use { name } => {
            contexts.get(name)?;
            contexts.current = Some(name.clone());
        }
        ContextCommand::Add { name, url, token_file, ca } => {
            address(url)?;
            // Commands are called from any folder.
            let absolute = |path: &std::path::PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
            let context = Context {
                url: url.clone(),
                token_file: token_file.as_ref().map(absolute),
                ca_file: ca.as_ref().map(absolute),
            };
            contexts.contexts.insert(name.clone(), context);
            contexts.current.get_or_insert_with(|| name.clone());
        }
        ContextCommand::Rm { name } => {
            contexts.get(name)?;
            contexts.contexts.remove(name);
            contexts.current.take_if(|current| current == name);
        }
    }
    contexts.write(&path)?;
    Ok(Exit::Ok)
}
