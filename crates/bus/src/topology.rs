//! Every stream, bucket and durable consumer, declared once: for services, tests and deployment.

use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PriorityPolicy, pull};
use async_nats::jetstream::kv;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use ow_contracts::Subject;
use ow_domain::capture::ObjectKind;
use ow_domain::incident::ReceiverKind;
use ow_domain::{Partition, ProbeId};

use crate::{Bus, BusError};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// A holder that is not heard of for this long has lost its lease or the message in hand.
pub(crate) const LEASE_ACK_WAIT: Duration = Duration::from_secs(3);
pub(crate) const PARTITION_ACK_WAIT: Duration = Duration::from_secs(2);
/// A pinned client that does not pull for this long loses the pin.
pub(crate) const PIN_TIMEOUT: Duration = Duration::from_secs(2);
pub(crate) const PIN_GROUP: &str = "owner";

/// A stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamName {
    /// One standing lease per channel and probe.
    Jobs,
    Captures,
    Verdicts,
    Measures,
    Alerts,
    Notify,
    Deliveries,
    Dead,
    /// The server's word on messages given up: read by the dead-letter mover.
    Advisories,
}

impl StreamName {
    pub const ALL: [Self; 9] = [
        Self::Jobs,
        Self::Captures,
        Self::Verdicts,
        Self::Measures,
        Self::Alerts,
        Self::Notify,
        Self::Deliveries,
        Self::Dead,
        Self::Advisories,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jobs => "JOBS",
            Self::Captures => "CAPTURES",
            Self::Verdicts => "VERDICTS",
            Self::Measures => "MEASURES",
            Self::Alerts => "ALERTS",
            Self::Notify => "NOTIFY",
            Self::Deliveries => "DELIVERIES",
            Self::Dead => "DEAD",
            Self::Advisories => "ADVISORIES",
        }
    }

    pub(crate) fn is_work_queue(self) -> bool {
        matches!(self, Self::Jobs | Self::Notify)
    }

    /// Streams whose messages are handled, so that handling may fail.
    pub(crate) fn is_handled(self) -> bool {
        !matches!(self, Self::Dead | Self::Advisories | Self::Deliveries | Self::Alerts)
    }
}

/// A key-value bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// `<channel>`: the compiled `ChannelPolicy`.
    Config,
    /// `<channel>`: the last `Verdict`.
    Status,
    /// `<probe>.<replica>`: `ProbeHeartbeat`, with a TTL.
    Probes,
    /// `<probe>.<channel>`: the `FetchJob` that stands.
    FetchJobs,
    /// `<probe>.<channel>`: who holds the lease.
    Leases,
    /// Snapshots of the validator.
    State,
    /// `<service>.<replica>`: presence of partition owners, with a TTL.
    Members,
}

impl Bucket {
    pub const ALL: [Self; 7] =
        [Self::Config, Self::Status, Self::Probes, Self::FetchJobs, Self::Leases, Self::State, Self::Members];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "CONFIG",
            Self::Status => "STATUS",
            Self::Probes => "PROBES",
            Self::FetchJobs => "FETCH_JOBS",
            Self::Leases => "LEASES",
            Self::State => "STATE",
            Self::Members => "MEMBERS",
        }
    }

    fn has_ttl(self) -> bool {
        matches!(self, Self::Probes | Self::Members)
    }
}

/// What may differ between sites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// 1, or 3 on a cluster.
    pub replicas: usize,
    /// Size caps; the server sets the space aside. `None`: as much as the server has.
    pub captures_bytes: Option<u64>,
    pub measures_bytes: Option<u64>,
    /// Each of the other streams.
    pub other_bytes: Option<u64>,
}

impl Limits {
    /// For one machine: 4 GiB of captures, 1 GiB of measures, 512 MiB each of the rest.
    pub fn local() -> Self {
        Self { replicas: 1, captures_bytes: Some(4 << 30), measures_bytes: Some(1 << 30), other_bytes: Some(512 << 20) }
    }

    /// No space set aside, so that many topologies fit on one server.
    pub fn tests() -> Self {
        Self { replicas: 1, captures_bytes: None, measures_bytes: None, other_bytes: None }
    }
}

/// A durable consumer of one kind of message, shared by the replicas of a service.
#[derive(Debug, Clone)]
pub struct ConsumerSpec {
    pub stream: StreamName,
    pub durable: String,
    /// Subject below the root.
    pub filter: Subject,
    pub ack_wait: Duration,
    /// Deliveries until the message is given up as a dead letter.
    pub max_deliver: i64,
    /// Handlers running at once in one process.
    pub concurrency: usize,
    /// A new consumer starts with what comes from now on, not with what is kept.
    pub only_new: bool,
}

impl ConsumerSpec {
    /// Notify jobs of one kind of receiver. `Later` may come for hours: the job's own deadline ends it.
    pub fn notifier(kind: ReceiverKind, concurrency: usize) -> Self {
        Self {
            stream: StreamName::Notify,
            durable: format!("notifier-{kind}"),
            filter: Subject::notify_of(kind),
            ack_wait: Duration::from_secs(10),
            max_deliver: 10_000,
            concurrency,
            only_new: false,
        }
    }

    /// All of one stream, in no particular order.
    pub fn all_of(stream: StreamName, durable: &str, filter: Subject, concurrency: usize) -> Self {
        Self {
            stream,
            durable: durable.to_owned(),
            filter,
            ack_wait: Duration::from_secs(10),
            max_deliver: 100,
            concurrency,
            only_new: false,
        }
    }

    /// Measures for the recorder.
    pub fn recorder_measures(concurrency: usize) -> Self {
        Self::all_of(StreamName::Measures, "recorder", Subject::raw("measure.>"), concurrency)
    }

    /// Verdicts for the recorder.
    pub fn recorder_verdicts(concurrency: usize) -> Self {
        Self::all_of(StreamName::Verdicts, "recorder", Subject::raw("verdict.>"), concurrency)
    }

    /// Captures of one kind of manifest for the recorder, from now on. It waits for its store in place, so deliveries
    /// count crashes only.
    pub fn recorder_manifests(object: ObjectKind, concurrency: usize) -> Self {
        let object = object.as_str();
        Self {
            ack_wait: Duration::from_secs(30),
            only_new: true,
            ..Self::all_of(
                StreamName::Captures,
                &format!("recorder-{object}"),
                Subject::raw(format!("capture.*.*.*.{object}")),
                concurrency,
            )
        }
    }

    pub(crate) fn dead_letters(concurrency: usize) -> Self {
        Self::all_of(StreamName::Advisories, "dead-letters", Subject::raw(""), concurrency)
    }

    pub(crate) fn config(&self, bus: &Bus) -> pull::Config {
        let filter = self.filter.as_str();
        pull::Config {
            durable_name: Some(self.durable.clone()),
            ack_policy: AckPolicy::Explicit,
            deliver_policy: if self.only_new { DeliverPolicy::New } else { DeliverPolicy::All },
            ack_wait: self.ack_wait,
            max_deliver: self.max_deliver,
            max_ack_pending: 20_000,
            filter_subject: if filter.is_empty() { String::new() } else { bus.inner.prefix.subject(filter) },
            ..Default::default()
        }
    }
}

/// `validator-7` on CAPTURES, `alert-router-7` on VERDICTS: one owner at a time, one message in flight, so that order
/// holds (docs/adr/0001).
pub(crate) fn partition_consumer(bus: &Bus, service: &str, stream: StreamName, partition: Partition) -> pull::Config {
    pull::Config {
        durable_name: Some(format!("{service}-{partition}")),
        ack_policy: AckPolicy::Explicit,
        ack_wait: PARTITION_ACK_WAIT,
        // Counts crashes and lost owners only: `Later` is waited for in place.
        max_deliver: 20,
        max_ack_pending: 1,
        priority_policy: PriorityPolicy::PinnedClient,
        priority_groups: vec![PIN_GROUP.to_owned()],
        priority_timeout: PIN_TIMEOUT,
        filter_subject: bus.inner.prefix.subject(partition_subject(stream, partition).as_str()),
        ..Default::default()
    }
}

pub(crate) fn partition_subject(stream: StreamName, partition: Partition) -> Subject {
    match stream {
        StreamName::Verdicts => Subject::verdicts_of(partition),
        _ => Subject::captures_of(partition),
    }
}

pub(crate) fn lease_consumer(bus: &Bus, probe: &ProbeId) -> pull::Config {
    pull::Config {
        durable_name: Some(format!("fetcher-{probe}")),
        ack_policy: AckPolicy::Explicit,
        ack_wait: LEASE_ACK_WAIT,
        max_deliver: -1,
        max_ack_pending: -1,
        filter_subject: bus.inner.prefix.subject(Subject::fetch_jobs_of(probe).as_str()),
        ..Default::default()
    }
}

impl Bus {
    /// Creates or updates every stream and bucket. Any number of processes may do it at once.
    pub async fn ensure_topology(&self, limits: &Limits) -> Result<(), BusError> {
        for name in StreamName::ALL {
            let config = self.stream_config(name, limits);
            let what = config.name.clone();
            let made = self.inner.admin.create_or_update_stream(config).await;
            made.map_err(|source| BusError::Topology { what: format!("stream {what}"), source: source.into() })?;
        }
        for bucket in Bucket::ALL {
            let config = self.bucket_config(bucket, limits);
            let what = config.bucket.clone();
            let made = self.inner.admin.create_or_update_key_value(config).await;
            made.map_err(|source| BusError::Topology { what: format!("bucket {what}"), source: source.into() })?;
        }
        Ok(())
    }

    /// Waits until every stream and bucket is there, for services that may not make them.
    pub async fn wait_for_topology(&self, wait: Duration) -> Result<(), BusError> {
        let start = Instant::now();
        let streams = StreamName::ALL.map(|name| self.stream_name(name)).into_iter();
        for what in streams.chain(Bucket::ALL.map(|bucket| self.bucket_stream(bucket))) {
            while self.inner.admin.get_stream(&what).await.is_err() {
                if start.elapsed() > wait {
                    return Err(BusError::TopologyMissing { what, waited: wait });
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        Ok(())
    }

    /// The stream's full name.
    pub fn stream_name(&self, name: StreamName) -> String {
        self.inner.prefix.name(name.as_str())
    }

    pub(crate) fn bucket_name(&self, bucket: Bucket) -> String {
        self.inner.prefix.name(bucket.as_str())
    }

    pub(crate) fn bucket_stream(&self, bucket: Bucket) -> String {
        format!("KV_{}", self.bucket_name(bucket))
    }

    fn stream_config(&self, name: StreamName, limits: &Limits) -> Config {
        let bytes = match name {
            StreamName::Captures => limits.captures_bytes,
            StreamName::Measures => limits.measures_bytes,
            _ => limits.other_bytes,
        };
        let subject = |text: &str| self.inner.prefix.subject(text);
        let (subjects, max_age) = match name {
            StreamName::Jobs => (vec![subject("job.fetch.>")], Duration::ZERO),
            StreamName::Captures => (vec![subject("capture.>")], DAY),
            StreamName::Verdicts => (vec![subject("verdict.>")], 7 * DAY),
            StreamName::Measures => (vec![subject("measure.>")], DAY),
            StreamName::Alerts => (vec![subject("alert.>"), subject("incident.>")], 30 * DAY),
            StreamName::Notify => (vec![subject("job.notify.>")], 7 * DAY),
            StreamName::Deliveries => (vec![subject("delivery.>")], 7 * DAY),
            StreamName::Dead => (vec![subject("dead.>")], 30 * DAY),
            StreamName::Advisories => (self.advisory_subjects(), 7 * DAY),
        };
        let is_jobs = name == StreamName::Jobs;
        let is_queue = name.is_work_queue() || name == StreamName::Advisories;
        Config {
            name: self.stream_name(name),
            subjects,
            retention: if is_queue { RetentionPolicy::WorkQueue } else { RetentionPolicy::Limits },
            // Work is refused when there is no room for it; facts push out the oldest.
            discard: if name.is_work_queue() { DiscardPolicy::New } else { DiscardPolicy::Old },
            discard_new_per_subject: is_jobs,
            max_messages_per_subject: if is_jobs { 1 } else { -1 },
            max_messages: -1,
            max_bytes: bytes.and_then(|b| i64::try_from(b).ok()).unwrap_or(-1),
            max_age,
            storage: StorageType::File,
            num_replicas: limits.replicas,
            duplicate_window: Duration::from_secs(120),
            allow_direct: true,
            ..Default::default()
        }
    }

    /// One subject per stream and event, as a wildcard cannot stand for part of a name.
    fn advisory_subjects(&self) -> Vec<String> {
        let streams = StreamName::ALL.into_iter().filter(|name| name.is_handled());
        streams
            .flat_map(|name| {
                ["MAX_DELIVERIES", "MSG_TERMINATED"]
                    .map(|event| format!("$JS.EVENT.ADVISORY.CONSUMER.{event}.{}.*", self.stream_name(name)))
            })
            .collect()
    }

    fn bucket_config(&self, bucket: Bucket, limits: &Limits) -> kv::Config {
        kv::Config {
            bucket: self.bucket_name(bucket),
            history: 1,
            storage: StorageType::File,
            num_replicas: limits.replicas,
            max_bytes: limits.other_bytes.and_then(|b| i64::try_from(b).ok()).unwrap_or(-1),
            // Lets single keys have a TTL, and tells watchers of their end.
            limit_markers: bucket.has_ttl().then_some(Duration::from_secs(1)),
            ..Default::default()
        }
    }
}
