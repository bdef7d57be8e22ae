//! Typed key-value buckets: JSON values, compressed above 1 KiB, compare-and-set, keys that expire, watches.

use std::io::Read;
use std::marker::PhantomData;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::DirectGetErrorKind;
use bytes::Bytes;
use ow_contracts::envelope::{COMPRESS_ABOVE_BYTES, MAX_BODY_BYTES};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::follow::Follower;
use crate::publish::Outgoing;
use crate::{Bucket, Bus, BusError};

const OPERATION: &str = "KV-Operation";
const MARKER: &str = "Nats-Marker-Reason";
const ROLLUP: &str = "Nats-Rollup";
const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A bucket whose values are `T`. Keys are slugs joined by dots.
#[derive(Debug)]
pub struct Kv<T> {
    bus: Bus,
    bucket: String,
    value: PhantomData<fn() -> T>,
}

impl<T> Clone for Kv<T> {
    fn clone(&self) -> Self {
        Self { bus: self.bus.clone(), bucket: self.bucket.clone(), value: PhantomData }
    }
}

/// A value and its revision, which [`Kv::update`] compares.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<T> {
    pub key: String,
    pub value: T,
    pub revision: u64,
}

/// What a watch tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Change<T> {
    Put(Entry<T>),
    /// Deleted or expired.
    Deleted {
        key: String,
        revision: u64,
    },
    /// Everything that was there at the start has been told. Comes once.
    UpToDate,
}

impl Bus {
    pub fn kv<T: Serialize + DeserializeOwned>(&self, bucket: Bucket) -> Kv<T> {
        Kv { bus: self.clone(), bucket: self.bucket_name(bucket), value: PhantomData }
    }
}

impl<T: Serialize + DeserializeOwned> Kv<T> {
    /// The value now, if any.
    pub async fn get(&self, key: &str) -> Result<Option<Entry<T>>, BusError> {
        let stream = self.bus.stream(&self.stream()).await?;
        match stream.direct_get_last_for_subject(self.subject(key)).await {
            Ok(message) if is_end(&message.headers) => Ok(None),
            Ok(message) => {
                let value = self.decode(key, &message.payload)?;
                Ok(Some(Entry { key: key.to_owned(), value, revision: message.sequence }))
            }
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
            Err(error) => Err(BusError::request(format!("read {}/{key}", self.bucket))(error)),
        }
    }

    /// Writes whatever was there before. Gives the new revision.
    pub async fn put(&self, key: &str, value: &T) -> Result<u64, BusError> {
        self.write(key, self.encode(value)?, None, None).await
    }

    /// The same for a key that ends by itself after `ttl` (whole seconds, at least one) unless it is written again.
    /// Only in buckets declared with a TTL.
    pub async fn put_with_ttl(&self, key: &str, value: &T, ttl: Duration) -> Result<u64, BusError> {
        self.write(key, self.encode(value)?, None, Some(ttl)).await
    }

    /// Writes if the key has no value yet, else [`BusError::Conflict`].
    pub async fn create(&self, key: &str, value: &T) -> Result<u64, BusError> {
        let encoded = self.encode(value)?;
        match self.write(key, encoded.clone(), Some(0), None).await {
            // Revision 0 means never written; after a delete the marker's revision is the one to replace.
            Err(BusError::Conflict { .. }) => match self.marker(key).await? {
                Some(revision) => self.write(key, encoded, Some(revision), None).await,
                None => Err(self.conflict(key)),
            },
            other => other,
        }
    }

    /// Writes if the key still has this revision, else [`BusError::Conflict`].
    pub async fn update(&self, key: &str, value: &T, revision: u64) -> Result<u64, BusError> {
        self.write(key, self.encode(value)?, Some(revision), None).await
    }

    /// Removes the key; no error if it is not there.
    pub async fn delete(&self, key: &str) -> Result<(), BusError> {
        let message = PublishMessage::build().header(OPERATION, "PURGE").header(ROLLUP, "sub");
        self.publish(key, message).await.map(|_| ())
    }

    /// All values whose keys match (`*`, `>`).
    pub async fn entries(&self, pattern: &str) -> Result<Vec<Entry<T>>, BusError> {
        let mut watch = self.watch(pattern).await?;
        let mut entries: std::collections::BTreeMap<String, Entry<T>> = std::collections::BTreeMap::new();
        loop {
            match watch.next().await {
                Change::Put(entry) => drop(entries.insert(entry.key.clone(), entry)),
                Change::Deleted { key, .. } => drop(entries.remove(&key)),
                Change::UpToDate => return Ok(entries.into_values().collect()),
            }
        }
    }

    /// The values there now, [`Change::UpToDate`], then every change. Survives server restarts. Values that cannot be
    /// read are logged and left out.
    pub async fn watch(&self, pattern: &str) -> Result<KvWatch<T>, BusError> {
        let (follower, n_pending) =
            Follower::start(&self.bus, self.stream(), self.subject(pattern), DeliverPolicy::LastPerSubject).await?;
        Ok(KvWatch { kv: self.clone(), follower, n_before: Some(n_pending) })
    }

    async fn marker(&self, key: &str) -> Result<Option<u64>, BusError> {
        let stream = self.bus.stream(&self.stream()).await?;
        match stream.direct_get_last_for_subject(self.subject(key)).await {
            Ok(message) => Ok(is_end(&message.headers).then_some(message.sequence)),
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(Some(0)),
            Err(error) => Err(BusError::request(format!("read {}/{key}", self.bucket))(error)),
        }
    }

    async fn write(
        &self,
        key: &str,
        value: Bytes,
        expected: Option<u64>,
        ttl: Option<Duration>,
    ) -> Result<u64, BusError> {
        let mut message = PublishMessage::build().payload(value);
        if let Some(revision) = expected {
            message = message.header(EXPECTED, revision.to_string().as_str());
        }
        if let Some(ttl) = ttl {
            message = message.ttl(ttl.max(Duration::from_secs(1)));
        }
        self.publish(key, message).await
    }

    async fn publish(&self, key: &str, message: PublishMessage) -> Result<u64, BusError> {
        // The random id makes a repeated send after a lost acknowledgement count once, also with an expected revision.
        let message = message.message_id(uuid::Uuid::new_v4().to_string());
        match self.bus.send(Outgoing { subject: self.subject(key), message }).await {
            Ok(published) => Ok(published.seq),
            Err(BusError::Publish { source, .. }) if is_conflict(&*source) => Err(self.conflict(key)),
            Err(error) => Err(error),
        }
    }

    fn conflict(&self, key: &str) -> BusError {
        BusError::Conflict { bucket: self.bucket.clone(), key: key.to_owned() }
    }

    fn stream(&self) -> String {
        format!("KV_{}", self.bucket)
    }

    fn subject(&self, key: &str) -> String {
        format!("$KV.{}.{key}", self.bucket)
    }

    fn encode(&self, value: &T) -> Result<Bytes, BusError> {
        let what = std::any::type_name::<T>();
        let json = serde_json::to_vec(value).map_err(|source| BusError::Encode { what, source })?;
        if json.len() > COMPRESS_ABOVE_BYTES
            && let Ok(small) = zstd::bulk::compress(&json, 1)
            && small.len() < json.len()
        {
            return Ok(small.into());
        }
        Ok(json.into())
    }

    fn decode(&self, key: &str, bytes: &[u8]) -> Result<T, BusError> {
        decode(bytes).map_err(|source| BusError::Value { bucket: self.bucket.clone(), key: key.to_owned(), source })
    }
}

/// JSON, or zstd of JSON, told apart by the magic number.
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
    if !bytes.starts_with(&ZSTD_MAGIC) {
        return Ok(serde_json::from_slice(bytes)?);
    }
    let mut json = Vec::new();
    let limit = MAX_BODY_BYTES as u64;
    zstd::stream::read::Decoder::new(bytes)?.take(limit + 1).read_to_end(&mut json)?;
    if json.len() as u64 > limit {
        return Err(format!("it is larger than {limit} bytes").into());
    }
    Ok(serde_json::from_slice(&json)?)
}

fn is_conflict(source: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    source
        .downcast_ref::<async_nats::jetstream::context::PublishError>()
        .is_some_and(|error| error.kind() == PublishErrorKind::WrongLastSequence)
}

/// The mark that a key has ended: deleted, purged or expired.
fn is_end(headers: &HeaderMap) -> bool {
    headers.get(MARKER).is_some() || headers.get(OPERATION).is_some_and(|op| matches!(op.as_str(), "DEL" | "PURGE"))
}

/// A standing watch: [`Kv::watch`].
pub struct KvWatch<T> {
    kv: Kv<T>,
    follower: Follower,
    /// Messages of the first state that are still to come; `None` after `UpToDate`.
    n_before: Option<u64>,
}

impl<T: Serialize + DeserializeOwned> KvWatch<T> {
    /// The next change, however long that takes. Cancel safe.
    pub async fn next(&mut self) -> Change<T> {
        loop {
            if self.n_before == Some(0) {
                self.n_before = None;
                return Change::UpToDate;
            }
            let (message, place) = self.follower.next().await;
            if let Some(left) = &mut self.n_before {
                // Keys may end between the count and the delivery: what is pending now is the truth.
                *left = left.saturating_sub(1).min(place.n_pending);
            }
            let key = message.subject.as_str().strip_prefix(&self.kv.subject("")).unwrap_or_default().to_owned();
            if message.headers.as_ref().is_some_and(is_end) {
                return Change::Deleted { key, revision: place.seq };
            }
            match self.kv.decode(&key, &message.payload) {
                Ok(value) => return Change::Put(Entry { key, value, revision: place.seq }),
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "a value of a bucket is left out");
                }
            }
        }
    }
}
