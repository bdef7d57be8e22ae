//! The production configuration of the server: who may do what, on a real server with TLS.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ow_bus::{
    Bucket, Bus, BusConfig, BusError, ConsumerSpec, Delivered, Handler, JobPut, LeaseConfig, LeaseTaker, Limits,
    Outcome, PartitionHandler, PartitionReader, PartitionedConfig, PartitionedConsumer, Received, StreamName,
};
use ow_contracts::{ChannelIncident, DeadLetter, IncidentChange, Message, Subject};
use ow_domain::capture::{Capture, Tick};
use ow_domain::incident::{Delivery, NotifyJob};
use ow_domain::job::{FetchJob, ProbeHeartbeat};
use ow_domain::verdict::{Measures, Verdict};
use ow_local::{LocalNats, NatsOptions};
use ow_testkit::{DEADLINE, eventually_some};
use tokio_util::sync::CancellationToken;

const USERS: [&str; 10] = [
    "system",
    "scheduler",
    "fetcher",
    "validator",
    "alert-router",
    "notifier",
    "recorder",
    "api",
    "operator",
    "integrator",
];

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn sample<M: Message>() -> M {
    let path = project().join(format!("schemas/samples/{}.json", M::TYPE));
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap()
}

/// Certificate files and the environment that nats.conf reads.
fn environment(home: &Path) -> Vec<(String, String)> {
    let mut authority = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let authority_cert = authority.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let cert = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let file = |name: &str, text: String| {
        let path = home.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let mut env = vec![
        ("OTTWATCH_NATS_CERT".to_owned(), file("cert.pem", cert.pem())),
        ("OTTWATCH_NATS_KEY".to_owned(), file("key.pem", key.serialize_pem())),
        ("OTTWATCH_NATS_CLUSTER_CA".to_owned(), file("ca.pem", authority_cert.pem())),
    ];
    for user in USERS {
        let password = format!("secret-of-{user}");
        file(&format!("{user}.password"), format!("{password}\n"));
        let name = user.to_ascii_uppercase().replace('-', "_");
        env.push((format!("OTTWATCH_NATS_PASSWORD_{name}"), password));
    }
    env
}

/// A server with nats.conf, certificates made here, and a password per user.
struct Site {
    home: tempfile::TempDir,
    nats: LocalNats,
}

impl Site {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let options = NatsOptions {
            config_file: Some(project().join("nats.conf")),
            env: environment(home.path()),
            ..NatsOptions::new(home.path().join("server"))
        };
        let nats = LocalNats::start(options).unwrap_or_else(|error| panic!("{error}"));
        Self { home, nats }
    }

    fn config(&self, user: &str) -> BusConfig {
        BusConfig {
            user: Some(user.to_owned()),
            password_file: Some(self.home.path().join(format!("{user}.password"))),
            ca_file: Some(self.home.path().join("ca.pem")),
            connect_wait: Duration::ZERO,
            publish_deadline: Duration::from_secs(10),
            ..BusConfig::new(format!("tls://localhost:{}", self.nats.client_port()), format!("ottwatch/{user}"))
        }
    }

    async fn bus(&self, user: &str) -> Bus {
        Bus::connect(self.config(user)).await.unwrap_or_else(|error| panic!("{user}: {error:?}"))
    }

    /// A publish that the server refuses is never acknowledged: one attempt is enough.
    async fn impatient(&self, user: &str) -> Bus {
        let config = BusConfig { publish_deadline: Duration::ZERO, ..self.config(user) };
        Bus::connect(config).await.unwrap()
    }

    async fn may_not_publish<M: Message>(&self, user: &str, message: &M) {
        let published = self.impatient(user).await.publish(message).await;
        assert!(published.is_err(), "{user} may publish {}", M::TYPE);
    }
}

struct Judge;

impl PartitionHandler for Judge {
    async fn acquired(&mut self, reader: &PartitionReader) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut replay = reader.replay(1);
        while replay.next().await?.is_some() {}
        reader.seq_before(Duration::from_secs(60)).await?;
        Ok(())
    }
    async fn handle(&mut self, message: &Received) -> Outcome {
        if message.is::<Tick>() { Outcome::Reject("a test of dead letters".to_owned()) } else { Outcome::Done }
    }
    async fn released(&mut self) {}
}

struct Take(tokio::sync::mpsc::UnboundedSender<&'static str>);

impl<M: Message> Handler<M> for Take {
    async fn handle(&self, _: Delivered<M>) -> Outcome {
        let _ = self.0.send(M::TYPE);
        Outcome::Done
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_service_can_do_its_work() {
    let site = Site::start();
    let (scheduler, fetcher) = (site.bus("scheduler").await, site.bus("fetcher").await);
    scheduler.ensure_topology(&Limits::tests()).await.unwrap();
    scheduler.ensure_topology(&Limits::tests()).await.unwrap();
    let stop = CancellationToken::new();
    let (seen, mut handled) = tokio::sync::mpsc::unbounded_channel();
    let operator = site.bus("operator").await;
    let mut letters = operator.tail(&Subject::raw("dead.>")).await.unwrap();
    let integrator = site.bus("integrator").await;
    let mut alerts = integrator.tail(&Subject::raw("alert.>")).await.unwrap();

    // Scheduler and fetcher.
    let (mover, token) = (scheduler.clone(), stop.clone());
    let moving = tokio::spawn(async move { mover.move_dead_letters(token).await.unwrap() });
    let job: FetchJob = sample();
    assert_eq!(scheduler.put_job(&job).await.unwrap(), JobPut::New);
    scheduler.publish(&sample::<Tick>()).await.unwrap();
    fetcher.wait_for_topology(DEADLINE).await.unwrap();
    let config = LeaseConfig {
        probe: job.probe.clone(),
        replica: "one".to_owned(),
        version: "0.1.0".to_owned(),
        region: None,
        slots: 4,
    };
    let mut taker = LeaseTaker::start(fetcher.clone(), config, stop.clone()).await.unwrap();
    let lease = tokio::time::timeout(DEADLINE, taker.next()).await.unwrap().unwrap();
    assert_eq!(**lease.job(), job);
    fetcher.publish(&sample::<Capture>()).await.unwrap();
    let probes = scheduler.kv::<ProbeHeartbeat>(Bucket::Probes);
    eventually_some("the heartbeat", DEADLINE, || async { probes.entries(">").await.unwrap().pop() }).await;

    // Validator and alert-router: presence, pin, replay, dead letter.
    let mut partitions = Vec::new();
    for (user, stream) in [("validator", StreamName::Captures), ("alert-router", StreamName::Verdicts)] {
        let bus = site.bus(user).await;
        let config = PartitionedConfig { service: user.to_owned(), replica: "one".to_owned(), stream };
        partitions.push(tokio::spawn(PartitionedConsumer::run(bus, config, |_| Judge, stop.clone())));
    }
    let validator = site.bus("validator").await;
    validator.publish(&sample::<Verdict>()).await.unwrap();
    validator.publish(&sample::<Measures>()).await.unwrap();
    for bucket in [Bucket::State, Bucket::Status] {
        let kv = validator.kv::<String>(bucket);
        let revision = kv.create("a", &"snapshot".to_owned()).await.unwrap();
        kv.update("a", &"later".to_owned(), revision).await.unwrap();
        assert_eq!(kv.entries(">").await.unwrap().len(), 1);
    }
    let router = site.bus("alert-router").await;
    router.publish(&sample::<IncidentChange>()).await.unwrap();
    router.publish(&sample::<ChannelIncident>()).await.unwrap();
    let notify: NotifyJob = sample();
    router.publish(&notify).await.unwrap();

    // Notifier, recorder, api.
    let notifier = site.bus("notifier").await;
    notifier.publish(&sample::<Delivery>()).await.unwrap();
    let recorder = site.bus("recorder").await;
    let (token, take) = (stop.clone(), Take(seen.clone()));
    let spec = ConsumerSpec::notifier(notify.kind, 4);
    let notifying =
        tokio::spawn(async move { notifier.consume::<NotifyJob, _>(spec, take.into(), token).await.unwrap() });
    let (token, take) = (stop.clone(), Take(seen));
    let recording = tokio::spawn(async move {
        recorder.consume::<Measures, _>(ConsumerSpec::recorder_measures(4), take.into(), token).await.unwrap();
    });
    let both = async { [handled.recv().await.unwrap(), handled.recv().await.unwrap()] };
    let mut both = tokio::time::timeout(DEADLINE, both).await.unwrap();
    both.sort_unstable();
    assert_eq!(both, [Measures::TYPE, NotifyJob::TYPE]);
    let api = site.bus("api").await;
    api.kv::<String>(Bucket::Config).put("c1", &"policy".to_owned()).await.unwrap();
    assert_eq!(api.kv::<String>(Bucket::Status).entries(">").await.unwrap().len(), 1);

    // The integrator hears alarms; the operator sees the rejected tick.
    let alert = tokio::time::timeout(DEADLINE, alerts.next()).await.unwrap().unwrap();
    assert_eq!(alert.subject, sample::<IncidentChange>().subject());
    let letter = tokio::time::timeout(DEADLINE, letters.next()).await.unwrap().unwrap();
    assert_eq!(letter.subject.as_str(), "dead.captures");
    assert_eq!(letter.decode::<DeadLetter>().unwrap().reason, "a test of dead letters");
    // The api reads it, puts it back and throws it away.
    let buried = eventually_some("the dead letter", DEADLINE, || async {
        api.dead_letters(None, 9, |letter| letter.letter.stream == "CAPTURES").await.unwrap().letters.pop()
    });
    let buried = buried.await;
    assert!(api.retry_letter(&buried).await.unwrap().is_some());
    assert_eq!(api.dead_letter(buried.number).await.unwrap(), None);
    assert!(!api.discard_letter(buried.number).await.unwrap());
    api.publish_again(&notify, 1).await.unwrap();

    // What is recorded is the operator's to read, as `ottwatch replay` does.
    operator.epoch(StreamName::Captures).await.unwrap();
    for (stream, subject) in [(StreamName::Captures, "capture.>"), (StreamName::Verdicts, "verdict.>")] {
        let mut recording =
            operator.recorded(stream, &Subject::raw(subject), ow_domain::Time::UNIX_EPOCH).await.unwrap();
        let first = tokio::time::timeout(DEADLINE, recording.next()).await.unwrap().unwrap();
        assert!(first.is_some(), "{subject}");
    }
    assert_eq!(operator.kv::<String>(Bucket::Config).entries(">").await.unwrap().len(), 1);
    assert!(operator.kv::<String>(Bucket::Config).get("c1").await.unwrap().is_some());

    // A drain stays within the permissions, too.
    stop.cancel();
    drop(lease);
    taker.drained().await;
    for running in partitions {
        running.await.unwrap().unwrap();
    }
    notifying.await.unwrap();
    recording.await.unwrap();
    moving.await.unwrap();
    scheduler.purge_job(&job.probe, &job.channel).await.unwrap();
    assert!(scheduler.jobs().await.unwrap().is_empty());
    // Nothing was refused on the way, not even what is only tried again or logged.
    let log = std::fs::read_to_string(site.home.path().join("server/nats/server.log")).unwrap();
    let refused: Vec<&str> = log.lines().filter(|line| line.contains("Violation")).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_can_do_the_work_of_another() {
    let site = Site::start();
    let scheduler = site.bus("scheduler").await;
    scheduler.ensure_topology(&Limits::tests()).await.unwrap();
    site.may_not_publish("notifier", &sample::<Capture>()).await;
    site.may_not_publish("fetcher", &sample::<Tick>()).await;
    site.may_not_publish("fetcher", &sample::<Verdict>()).await;
    site.may_not_publish("validator", &sample::<NotifyJob>()).await;
    site.may_not_publish("recorder", &sample::<Delivery>()).await;
    site.may_not_publish("integrator", &sample::<IncidentChange>()).await;
    site.may_not_publish("operator", &sample::<FetchJob>()).await;
    for (user, bucket) in
        [("fetcher", Bucket::FetchJobs), ("validator", Bucket::Config), ("integrator", Bucket::Status)]
    {
        let put = site.impatient(user).await.kv::<String>(bucket).put("a.b", &"x".to_owned()).await;
        assert!(put.is_err(), "{user} may write {bucket:?}");
    }
    // Jobs may carry credentials of origins: an integrator hears the alarm, not the job before it.
    let integrator = site.bus("integrator").await;
    let (mut jobs, mut alerts) = (
        integrator.tail(&Subject::raw("job.>")).await.unwrap(),
        integrator.tail(&Subject::raw("alert.>")).await.unwrap(),
    );
    let router = site.bus("alert-router").await;
    router.publish(&sample::<NotifyJob>()).await.unwrap();
    router.publish(&sample::<IncidentChange>()).await.unwrap();
    tokio::time::timeout(DEADLINE, alerts.next()).await.unwrap().unwrap();
    let job = tokio::select! {
        biased;
        job = jobs.next() => job,
        () = std::future::ready(()) => None,
    };
    assert!(job.is_none(), "an integrator sees jobs");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_authority_are_refused() {
    let site = Site::start();
    std::fs::write(site.home.path().join("fetcher.password"), "guess").unwrap();
    let error = Bus::connect(site.config("fetcher")).await.unwrap_err();
    assert!(matches!(error, BusError::Refused { .. }), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("guess"));
    let config = BusConfig { ca_file: None, ..site.config("validator") };
    assert!(Bus::connect(config).await.is_err(), "an unknown authority is trusted");
}

#[test]
fn the_cluster_include_is_well_formed() {
    let home = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(project().join("nats.conf")).unwrap();
    let commented = "# include \"deploy/nats-cluster.conf\"";
    assert!(text.contains(commented));
    std::fs::write(home.path().join("nats.conf"), text.replace(commented, &commented[2..])).unwrap();
    std::fs::create_dir(home.path().join("deploy")).unwrap();
    std::fs::copy(project().join("deploy/nats-cluster.conf"), home.path().join("deploy/nats-cluster.conf")).unwrap();
    let mut command = Command::new(ow_local::find_nats_server().unwrap().path);
    command.args(["-t", "-c"]).arg(home.path().join("nats.conf")).envs(environment(home.path()));
    command.env("OTTWATCH_NATS_NAME", "nats-1").env("OTTWATCH_NATS_STORE", home.path());
    for node in 1..=3 {
        command.env(format!("OTTWATCH_NATS_ROUTE_{node}"), format!("nats-route://nats-{node}.example.net:6222"));
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
