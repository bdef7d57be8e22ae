//! Which installation the client talks to: named contexts in a file of the user, like profiles of other tools.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ow_service::Secret;
use serde::{Deserialize, Serialize};

use super::args::ApiArgs;
use crate::runfile::{self, RunFile};

/// Content of `contexts.toml`. It holds no secrets: tokens are in files of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Contexts {
    /// Taken when no other is named.
    pub current: Option<String>,
    pub contexts: BTreeMap<String, Context>,
}

/// One installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// Base address of the REST interface, as `https://ottwatch.example.net`.
    pub url: String,
    /// File with the token; without one the client is anonymous.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// PEM of the authority that signed the server's certificate, if no public one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

/// Where to ask, and as whom.
#[derive(Debug, Clone)]
pub struct Target {
    pub url: url::Url,
    pub token: Option<Secret>,
    pub ca_file: Option<PathBuf>,
}

/// Why it is not known where to ask.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    #[error("{path}: cannot be read or written")]
    File {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{path}: {reason}")]
    Malformed { path: String, reason: String },
    #[error("there is no context {name:?}; `ottwatch context ls` shows those there are{known}")]
    Unknown { name: String, known: String },
    #[error("{url:?} is no http or https address, as https://ottwatch.example.net; {reason}")]
    Url { url: String, reason: String },
    #[error(
        "it is not known where the REST interface is: start `ottwatch up`, name its folder with --home, give --url, or make a context with `ottwatch context add`"
    )]
    Nowhere(#[source] runfile::RunFileError),
    #[error("the token cannot be read")]
    Token(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("neither HOME nor XDG_CONFIG_HOME is set, so there is no place for contexts")]
    Homeless,
}

/// `$XDG_CONFIG_HOME/ottwatch/contexts.toml`, else below `$HOME/.config`.
pub fn file() -> Result<PathBuf, ContextError> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")));
    Ok(folder.ok_or(ContextError::Homeless)?.join("ottwatch").join("contexts.toml"))
}

impl Contexts {
    /// Empty when there is no file.
    pub fn read(path: &Path) -> Result<Self, ContextError> {
        let shown = || path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => toml::from_str(&text)
                .map_err(|error| ContextError::Malformed { path: shown(), reason: error.message().to_owned() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(ContextError::File { path: shown(), source }),
        }
    }

    /// Whole or not at all; readable by its owner only.
    pub fn write(&self, path: &Path) -> Result<(), ContextError> {
        let fail = |source| ContextError::File { path: path.display().to_string(), source };
        let text = toml::to_string(self).map_err(|error| fail(std::io::Error::other(error)))?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(fail)?;
        }
        let partial = path.with_extension("toml.new");
        let mut options = std::fs::OpenOptions::new();
        let mut out = options.write(true).create(true).truncate(true).mode(0o600).open(&partial).map_err(fail)?;
        out.write_all(text.as_bytes()).map_err(fail)?;
        std::fs::rename(&partial, path).map_err(fail)
    }

    pub fn get(&self, name: &str) -> Result<&Context, ContextError> {
        self.contexts.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.contexts.keys().map(String::as_str).collect();
            let known = if known.is_empty() { String::new() } else { format!(": {}", known.join(", ")) };
            ContextError::Unknown { name: name.to_owned(), known }
        })
    }
}

/// The address, checked.
pub fn address(text: &str) -> Result<url::Url, ContextError> {
    let wrong = |reason: String| ContextError::Url { url: text.to_owned(), reason };
    let url = url::Url::parse(text).map_err(|error| wrong(error.to_string()))?;
    match url.scheme() {
        "http" | "https" if !url.username().is_empty() || url.password().is_some() => {
            // Not shown: it may be a password.
            Err(ContextError::Url { url: "the address".into(), reason: "a token goes into --token-file".into() })
        }
        "http" | "https" => Ok(url),
        scheme => Err(wrong(format!("{scheme} is something else"))),
    }
}

/// Where to ask: what the arguments say, else the context they name, else a running `ottwatch up` in `--home`, else the
/// current context.
pub fn target(
    args: &ApiArgs,
    contexts: impl FnOnce() -> Result<Contexts, ContextError>,
) -> Result<Target, ContextError> {
    let token = |path: &Option<PathBuf>| {
        let token = path.as_deref().map(Secret::from_file).transpose();
        token.map_err(|error| ContextError::Token(Box::new(error)))
    };
    let of = |context: &Context| {
        let token_file = args.token_file.clone().or_else(|| context.token_file.clone());
        let ca_file = args.ca.clone().or_else(|| context.ca_file.clone());
        Ok(Target { url: address(&context.url)?, token: token(&token_file)?, ca_file })
    };
    if let Some(url) = &args.url {
        return of(&Context { url: url.clone(), token_file: None, ca_file: None });
    }
    if let Some(name) = &args.context {
        return of(contexts()?.get(name)?);
    }
    match RunFile::read(&args.home) {
        Ok(file) => of(&Context { url: file.api, token_file: file.api_token_file, ca_file: None }),
        Err(absent) => {
            let contexts = contexts()?;
            let Some(current) = &contexts.current else { return Err(ContextError::Nowhere(absent)) };
            of(contexts.get(current)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(home: &Path) -> ApiArgs {
        ApiArgs { home: home.to_owned(), context: None, url: None, token_file: None, ca: None }
    }

    fn known() -> Contexts {
        let context = |url: &str| Context { url: url.into(), token_file: None, ca_file: None };
        Contexts {
            current: Some("lab".into()),
            contexts: [("lab", "http://lab:1"), ("prod", "https://prod")]
                .map(|(n, u)| (n.to_owned(), context(u)))
                .into(),
        }
    }

    #[test]
    fn the_nearest_word_wins() {
        let home = tempfile::tempdir().unwrap();
        let token = home.path().join("token");
        std::fs::write(&token, "abc\n").unwrap();
        let asked = |args: &ApiArgs| target(args, || Ok(known())).unwrap();
        assert_eq!(asked(&args(home.path())).url.as_str(), "http://lab:1/");
        let run = RunFile {
            pid: 1,
            nats: "n".into(),
            postgres: "p".into(),
            api: "http://127.0.0.1:8".into(),
            api_token_file: Some(token),
            origin: None,
        };
        run.write(home.path()).unwrap();
        let found = asked(&args(home.path()));
        assert_eq!((found.url.as_str(), found.token.unwrap().reveal()), ("http://127.0.0.1:8/", "abc"));
        let prod = ApiArgs { context: Some("prod".into()), ..args(home.path()) };
        assert_eq!(asked(&prod).url.as_str(), "https://prod/");
        let url = ApiArgs { url: Some("https://other:9".into()), ..prod };
        assert_eq!(asked(&url).url.as_str(), "https://other:9/");
        let wrong = ApiArgs { context: Some("prd".into()), ..args(home.path()) };
        let told = target(&wrong, || Ok(known())).unwrap_err().to_string();
        assert!(told.contains("\"prd\"") && told.contains("lab, prod"), "{told}");
    }

    #[test]
    fn contexts_are_kept() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/contexts.toml");
        assert_eq!(Contexts::read(&path).unwrap(), Contexts::default());
        known().write(&path).unwrap();
        assert_eq!(Contexts::read(&path).unwrap(), known());
        std::fs::write(&path, "curent = \"x\"").unwrap();
        assert!(Contexts::read(&path).unwrap_err().to_string().contains("curent"));
    }

    #[test]
    fn addresses_are_checked_and_passwords_not_shown() {
        for bad in ["ottwatch.example.net", "ftp://a", "", "http://"] {
            assert!(address(bad).is_err(), "{bad}");
        }
        assert!(!address("https://a:geheim@h").unwrap_err().to_string().contains("geheim"));
    }
}
