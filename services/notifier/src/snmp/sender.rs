//! Sends notifications by the crate `async-snmp`, which only this file knows (it is young: pinned and wrapped).
//!
//! Traps of v3 are sent under *our* engine: id and boots come from an [`EngineSource`], which must have counted the
//! boots up durably before it gives them. Informs discover the engine of the station and leave from a port of their
//! own. Deriving a key from a password hashes 1 MiB: clients, which cache keys, are kept per receiver and settings.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_snmp::v3::{AuthoritativeEngine, PersistedAuthoritativeEngine};
use async_snmp::{Auth, AuthProtocol, Client, ErrorKind, Oid, PrivProtocol, Retry, UsmConfig, Value, VarBind};
use ow_domain::receiver::{Secret, SnmpAuth, SnmpKeyExtension, SnmpMode, SnmpPrivacy, SnmpSpec, SnmpVersion};
use tokio::sync::Mutex;

use super::varbinds::{Notification, VarValue};
use crate::error::{FailureKind, SendError, chain};
use crate::secret::{Env, resolve};

/// Time for one answer to an inform; it is sent up to three times.
const INFORM_TIMEOUT: Duration = Duration::from_secs(2);
const INFORM_RETRIES: u32 = 2;
/// Time to resolve the name and open the socket.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Clients kept; more receivers than this is beyond any plan, then all are made anew.
const MAX_CLIENTS: usize = 1000;
/// The host name is resolved again after this.
const CLIENT_LIFE: Duration = Duration::from_secs(600);

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Sends one notification to one station.
pub trait TrapSender: Send + Sync {
    /// A receipt for the log: `trap sent` (nobody answers a trap) or `inform acknowledged`.
    fn send<'a>(
        &'a self,
        spec: &'a SnmpSpec,
        notification: &'a Notification,
    ) -> BoxFuture<'a, Result<String, SendError>>;
}

/// Our engine as the source holds it: `boots` is already counted up for this start and stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineState {
    pub engine_id: Vec<u8>,
    pub boots: u32,
    /// Changes when the engine was claimed anew.
    pub generation: u64,
}

/// Where engine id and boots are kept.
pub trait EngineSource: Send + Sync {
    fn engine(&self) -> BoxFuture<'_, Result<EngineState, SendError>>;
}

/// A new engine id: net-snmp stations are told it when they are to accept v3 traps.
pub fn new_engine_id() -> Result<Vec<u8>, SendError> {
    async_snmp::v3::generate_engine_id()
        .map(|id| id.to_vec())
        .map_err(|e| SendError::settings(format!("no SNMP engine id could be made: {}", chain(&*e))))
}

/// [`TrapSender`] by async-snmp.
pub struct SnmpSender {
    engines: Arc<dyn EngineSource>,
    env: Env,
    started: Instant,
    clients: Mutex<HashMap<ClientKey, (Client, Instant)>>,
    engine: Mutex<Option<(u64, AuthoritativeEngine)>>,
}

/// Everything that a client is made of.
#[derive(Clone, PartialEq, Eq, Hash)]
struct ClientKey {
    target: String,
    version: SnmpVersion,
    trap: bool,
    user: String,
    auth: Option<(SnmpAuth, String)>,
    privacy: Option<(SnmpPrivacy, SnmpKeyExtension, String)>,
    community: String,
    generation: u64,
}

impl SnmpSender {
    pub fn new(engines: Arc<dyn EngineSource>, env: Env) -> Self {
        Self { engines, env, started: Instant::now(), clients: Mutex::new(HashMap::new()), engine: Mutex::new(None) }
    }

    async fn secret(&self, field: &str, place: Option<&ow_domain::receiver::SecretRef>) -> Result<Secret, SendError> {
        match place {
            Some(place) => resolve(field, place, &self.env).await,
            None => Ok(Secret::new("")),
        }
    }

    async fn key(&self, spec: &SnmpSpec) -> Result<ClientKey, SendError> {
        let trap = spec.effective_mode() == SnmpMode::Trap;
        let mut key = ClientKey {
            target: spec.target.clone(),
            version: spec.version,
            trap,
            user: spec.user.clone().unwrap_or_default(),
            auth: None,
            privacy: None,
            community: String::new(),
            generation: 0,
        };
        match spec.version {
            SnmpVersion::V2c => {
                key.community = match &spec.community_file {
                    Some(place) => resolve("community_file", place, &self.env).await?.expose().to_owned(),
                    None => "public".to_owned(),
                };
            }
            SnmpVersion::V3 => {
                if let Some(auth) = spec.auth {
                    let password = self.secret("auth_password_file", spec.auth_password_file.as_ref()).await?;
                    key.auth = Some((auth, password.expose().to_owned()));
                }
                if let Some(privacy) = spec.privacy {
                    let password = self.secret("privacy_password_file", spec.privacy_password_file.as_ref()).await?;
                    key.privacy = Some((privacy, spec.key_extension, password.expose().to_owned()));
                }
            }
        }
        Ok(key)
    }

    /// Our engine, made anew when the source has claimed another.
    async fn engine(&self) -> Result<(u64, AuthoritativeEngine), SendError> {
        let state = self.engines.engine().await?;
        let mut held = self.engine.lock().await;
        if let Some((generation, engine)) = held.as_ref()
            && *generation == state.generation
        {
            return Ok((*generation, engine.clone()));
        }
        let broken = |e: Box<async_snmp::Error>| SendError::settings(format!("SNMP engine: {}", chain(&*e)));
        let counted = state.boots;
        let persist = move |now: &PersistedAuthoritativeEngine| {
            // Only a wrap of engine time (68 years) asks for another number.
            if now.engine_boots() == counted { Ok(()) } else { Err(std::io::Error::other("engine time has wrapped")) }
        };
        // The source has counted up and stored already; `restart` counts up from what was before.
        let engine = match counted {
            0 | 1 => AuthoritativeEngine::install(state.engine_id, persist),
            _ => PersistedAuthoritativeEngine::new(state.engine_id, counted - 1)
                .and_then(|before| AuthoritativeEngine::restart(before, persist)),
        };
        let engine = engine.map_err(broken)?;
        *held = Some((state.generation, engine.clone()));
        Ok((state.generation, engine))
    }

    async fn client(&self, spec: &SnmpSpec) -> Result<Client, SendError> {
        let mut key = self.key(spec).await?;
        let engine = if key.version == SnmpVersion::V3 && key.trap {
            let (generation, engine) = self.engine().await?;
            key.generation = generation;
            Some(engine)
        } else {
            None
        };
        if let Some((client, made)) = self.clients.lock().await.get(&key)
            && made.elapsed() < CLIENT_LIFE
        {
            return Ok(client.clone());
        }
        let retry = Retry::fixed(INFORM_RETRIES, Duration::ZERO).unwrap_or_else(|_| Retry::none());
        let mut builder = Client::builder(key.target.clone(), auth(&key)?)
            .request_timeout(INFORM_TIMEOUT)
            .send_timeout(INFORM_TIMEOUT)
            .construction_timeout(CONNECT_TIMEOUT)
            .retry(retry);
        if let Some(engine) = engine {
            builder = builder.local_authoritative_engine(engine);
        }
        let client = builder.connect().await.map_err(|e| classify(&e, spec))?;
        let mut clients = self.clients.lock().await;
        if clients.len() >= MAX_CLIENTS {
            clients.clear();
        }
        clients.insert(key, (client.clone(), Instant::now()));
        Ok(client)
    }

    async fn send_one(&self, spec: &SnmpSpec, notification: &Notification) -> Result<String, SendError> {
        let client = self.client(spec).await?;
        let oid = Oid::new(notification.trap_oid.iter().copied());
        let varbinds = notification
            .varbinds
            .iter()
            .map(|(oid, value)| {
                let value = match value {
                    VarValue::Integer(n) => Value::Integer(*n),
                    VarValue::Unsigned(n) => Value::Gauge32(*n),
                    VarValue::Octets(bytes) => Value::OctetString(bytes.clone().into()),
                };
                VarBind::new(Oid::new(oid.iter().copied()), value)
            })
            .collect();
        // sysUpTime in hundredths of a second, wraps after 497 days.
        let uptime = ((self.started.elapsed().as_millis() / 10) & u128::from(u32::MAX)) as u32;
        let name = notification.trap.name();
        match spec.effective_mode() {
            SnmpMode::Trap => {
                client.send_trap(&oid, uptime, varbinds).await.map_err(|e| classify(&e, spec))?;
                Ok(format!("{name} sent as trap to {}", spec.target))
            }
            SnmpMode::Inform => {
                client.send_inform(&oid, uptime, varbinds).await.map_err(|e| classify(&e, spec))?;
                Ok(format!("{name} acknowledged by {}", spec.target))
            }
        }
    }
}

impl TrapSender for SnmpSender {
    fn send<'a>(
        &'a self,
        spec: &'a SnmpSpec,
        notification: &'a Notification,
    ) -> BoxFuture<'a, Result<String, SendError>> {
        Box::pin(self.send_one(spec, notification))
    }
}

fn auth(key: &ClientKey) -> Result<Auth, SendError> {
    if key.version == SnmpVersion::V2c {
        return Ok(Auth::v2c(key.community.clone()));
    }
    let user = UsmConfig::new(key.user.clone());
    let protocol = |auth: SnmpAuth| match auth {
        SnmpAuth::Sha1 => AuthProtocol::Sha1,
        SnmpAuth::Sha256 => AuthProtocol::Sha256,
        SnmpAuth::Sha512 => AuthProtocol::Sha512,
    };
    let user = match (&key.auth, &key.privacy) {
        (Some((auth, password)), Some((privacy, extension, privacy_password))) => {
            let privacy = match (privacy, extension) {
                (SnmpPrivacy::Aes128, _) => PrivProtocol::Aes128,
                (SnmpPrivacy::Aes256, SnmpKeyExtension::Blumenthal) => PrivProtocol::Aes256Blumenthal,
                (SnmpPrivacy::Aes256, SnmpKeyExtension::Reeder) => PrivProtocol::Aes256Reeder,
            };
            user.auth_priv(protocol(*auth), password, privacy, privacy_password)
        }
        (Some((auth, password)), None) => user.auth(protocol(*auth), password),
        (None, _) => Ok(user),
    };
    user.map(Auth::Usm).map_err(|e| {
        SendError::settings(format!("SNMP user {:?}: {e} (passwords have 8 or more characters)", key.user))
    })
}

fn classify(error: &async_snmp::Error, spec: &SnmpSpec) -> SendError {
    let target = &spec.target;
    match error.kind() {
        // An inform that nobody answered may have been read all the same.
        ErrorKind::Timeout if spec.version == SnmpVersion::V3 => {
            // Stations drop what they cannot authenticate without a word.
            let user = spec.user.as_deref().unwrap_or_default();
            let hint = format!("if it is up, check user {user:?}, protocols and passwords on both sides");
            SendError::transient(format!("{target} did not acknowledge the inform; {hint}")).uncertain()
        }
        ErrorKind::Timeout => SendError::transient(format!("{target} did not acknowledge the inform")).uncertain(),
        ErrorKind::Network | ErrorKind::ConstructionTimeout | ErrorKind::Closed | ErrorKind::RequestIdInUse => {
            SendError::transient(format!("{target}: {}", chain(error)))
        }
        ErrorKind::Auth | ErrorKind::Report | ErrorKind::Privacy => SendError::settings(format!(
            "{target} does not accept the SNMPv3 user {:?}: {} (check user, protocols and passwords on both sides)",
            spec.user.as_deref().unwrap_or_default(),
            chain(error)
        )),
        ErrorKind::Config | ErrorKind::InvalidOid | ErrorKind::AuthoritativeEnginePersistence => {
            SendError::settings(format!("{target}: {}", chain(error)))
        }
        ErrorKind::OutboundMessageTooLarge => {
            SendError::new(FailureKind::Refused, format!("{target}: {}", chain(error)))
        }
        _ => SendError::transient(format!("{target}: {}", chain(error))).uncertain(),
    }
}
