//! `ottwatch user` and `ottwatch secrets`: for who may open the database and the key file anyway. The first administrator
//! comes by the first; no password is ever on a command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ow_domain::access::{LabelScope, Principal};
use ow_domain::{Span, Time};
use ow_service::Exit;
use ow_service::sealing::{self, Keyring};
use ow_store::access::NewUser;
use ow_store::{Store, StoreError};
use serde_json::json;

use crate::cli::{ConnectArgs, RotateArgs, UserCreateArgs, UserInviteArgs};
use crate::runfile::{self, RunFile};

/// How long an invitation is good.
const INVITATION: Duration = Duration::from_secs(24 * 3600);
/// Somebody else changed the configuration meanwhile; so often it is tried again.
const ATTEMPTS: usize = 5;

/// Where the keys are when nothing else is said.
pub fn key_file(home: &Path) -> PathBuf {
    home.join("secrets.key")
}

/// Sets the keys of this process; makes the file when it is not there.
pub fn install_keys(path: &Path) -> Result<()> {
    sealing::install(Keyring::open_or_create(path).context("cannot use the keys that secrets are sealed with")?);
    Ok(())
}

/// For commands on the database: the keys of the home, or of `OTTWATCH_SECRETS__KEY_FILE`, if there are any.
pub fn install_keys_of(connect: &ConnectArgs) -> Result<()> {
    let path = std::env::var_os("OTTWATCH_SECRETS__KEY_FILE").map_or_else(|| key_file(&connect.home), PathBuf::from);
    if path.exists() { install_keys(&path) } else { Ok(()) }
}

/// Makes a user and prints the invitation by which they set their password.
pub async fn create_user(store: &Store, args: &UserCreateArgs) -> Result<Exit> {
    let scope = args.label_scope.as_deref().map(str::parse::<LabelScope>).transpose()?;
    if !ow_api::is_user_name(&args.name) {
        bail!(
            "{:?} is no name: 1 to 127 of a-z, 0-9, '.', '_', '@' and '-', starting with a letter or digit",
            args.name
        );
    }
    let new = NewUser {
        name: args.name.clone(),
        display_name: args.display_name.clone().unwrap_or_default(),
        email: String::new(),
        role: args.role,
        label_scope: scope,
        password: None,
    };
    store.create_user(&new, now(), &Principal::local().changed_by("cli")).await?;
    invite(store, &args.name, &args.connect).await
}

/// Prints a new invitation for somebody who is there.
pub async fn invite_user(store: &Store, args: &UserInviteArgs) -> Result<Exit> {
    invite(store, &args.name, &args.connect).await
}

async fn invite(store: &Store, name: &str, connect: &ConnectArgs) -> Result<Exit> {
    let user = store.user(name).await?.with_context(|| format!("there is no user {name:?}"))?;
    if user.issuer.is_some() || user.disabled {
        bail!("{name:?} is disabled or signs in at the OpenID provider, and so has no password to set");
    }
    let code = ow_api::random_secret()?;
    let by = Principal::local().changed_by("cli");
    let at = now();
    store.invite(&user, &ow_api::hash_secret(&code), at, at + Span::from_std(INVITATION), &by).await?;
    println!("{name} ({}) sets a password with this code, once, within 24 hours:", user.role);
    println!("  {code}");
    if let Ok(file) = RunFile::read(&connect.home) {
        println!("  {}/accept#{code}", file.api);
    }
    Ok(Exit::Ok)
}

/// A new key, and everything sealed anew with it.
pub async fn rotate_key(args: &RotateArgs) -> Result<Exit> {
    let path = args.key_file.clone().unwrap_or_else(|| key_file(&args.connect.home));
    if !path.exists() {
        bail!("{} is not there; name the key file with --key-file", path.display());
    }
    let store = Store::open(ow_store::StoreConfig::new(runfile::postgres(&args.connect)?))?;
    let keys = Keyring::open_or_create(&path)?;
    let id = keys.rotate()?;
    let by = Principal::local().changed_by("cli");
    let mut attempt = 1;
    let (n_objects, n_values) = loop {
        let snapshot = store.load_config().await?;
        let (changes, n_values) = ow_api::reseal(&snapshot.objects, &keys)?;
        match store.apply_config(&changes, &by).await {
            Ok(_) => break (changes.len(), n_values),
            Err(StoreError::Conflict { .. }) if attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error.into()),
        }
    };
    let after = json!({"key": id, "n_values": n_values});
    store.write_audit(&by, ("rotate-key", "Secrets", &id), Some(after)).await?;
    println!("key {id}: {n_values} values of {n_objects} objects are sealed with it");
    if args.drop_old {
        println!("{} older keys dropped", keys.drop_old()?);
    } else {
        println!("older keys stay in {} until --drop-old, for services that still hold older jobs", path.display());
    }
    Ok(Exit::Ok)
}

fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Time::from_unix_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
