//! Databases of every released version come to the present one with all they hold, and history is cut by time.

mod server;

use std::collections::BTreeMap;
use std::time::Duration;

use ow_domain::incident::IncidentNumber;
use ow_domain::{ChannelId, StreamId, Time};
use ow_store::Store;
use ow_store::alarms::{IncidentFilter, IncidentState};
use ow_store::measures::Sample;
use ow_store::partitions::HistoryKept;
use serde_json::Value;
use server::Server;
use tokio_postgres::{Client, NoTls};

const DAY: Duration = Duration::from_secs(86_400);

async fn client(server: &Server) -> Client {
    let (client, connection) = tokio_postgres::connect(&server.postgres.dsn(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn texts(client: &Client, sql: &str) -> Vec<String> {
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Every row of every table but the list of migrations, as JSON.
async fn rows(client: &Client) -> BTreeMap<String, Vec<Value>> {
    let tables = "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'test' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'schema_migration'";
    let mut all = BTreeMap::new();
    for table in texts(client, &tables.replace("SELECT c.relname", "SELECT c.relname::text")).await {
        let rows = client.query(&format!("SELECT to_jsonb(t) FROM test.{table} t"), &[]).await.unwrap();
        all.insert(table, rows.iter().map(|row| row.get(0)).collect());
    }
    all
}

fn holds(after: &Value, before: &Value) -> bool {
    let (Value::Object(after), Value::Object(before)) = (after, before) else { return false };
    before.iter().all(|(key, value)| after.get(key) == Some(value))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_released_state_comes_to_the_present_with_all_it_holds() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/released");
    let mut n_states = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let server = Server::start();
        let client = client(&server).await;
        client.batch_execute(&std::fs::read_to_string(&path).unwrap()).await.unwrap();
        client.batch_execute("RESET ALL").await.unwrap();
        let before = rows(&client).await;
        assert!(before.values().map(Vec::len).sum::<usize>() > 20, "{path:?} holds too little to show anything");
        let store = server.open();
        assert!(store.migrate().await.unwrap() > 0, "{path:?}");
        assert_eq!(store.migrate().await.unwrap(), 0);
        let after = rows(&client).await;
        for (table, rows) in &before {
            let now = after.get(table).map_or(&[][..], Vec::as_slice);
            for row in rows {
                assert!(now.iter().any(|r| holds(r, row)), "{path:?}: {table} lost or changed {row}: {now:?}");
            }
        }
        present(&store).await;
        n_states += 1;
    }
    assert!(n_states >= 1);
}

/// The program of now reads and goes on with what a program of then wrote.
async fn present(store: &Store) {
    let config = store.load_config().await.unwrap();
    assert_eq!(config.objects.len(), 6);
    let all = IncidentFilter { with_info: true, ..IncidentFilter::default() };
    let page = store.list_incidents(&all).await.unwrap();
    let states: Vec<_> = page.incidents.iter().map(|i| (i.number.0, i.state)).collect();
    assert_eq!(states, [(2, IncidentState::Open), (1, IncidentState::Cleared)]);
    let changes: Vec<_> = store.incident_history(IncidentNumber(1)).await.unwrap();
    assert_eq!(
        changes.iter().map(|e| (e.seq, e.change.as_str())).collect::<Vec<_>>(),
        [(1, "raise"), (3, "update"), (4, "clear")]
    );
    assert_eq!(store.deliveries_of(IncidentNumber(1)).await.unwrap().len(), 1);
    let channel = ChannelId::new("vtv3").unwrap();
    let served = store.manifests_at(&channel, time("2026-11-20T10:30:00Z"), &Default::default()).await.unwrap();
    assert_eq!(served[0].text, "#EXTM3U test");
    let (from, to) = (time("2026-11-20T00:00:00Z"), time("2026-11-21T00:00:00Z"));
    let main = StreamId::new("main").unwrap();
    assert_eq!(store.measures(&channel, &main, from, to, 9).await.unwrap().iter().map(|m| m.n).sum::<u64>(), 3);
    store.add_measures(&channel, &main, from, &[sample()]).await.unwrap();
}

fn time(text: &str) -> Time {
    Time::parse_rfc3339(text).unwrap()
}

fn sample() -> Sample {
    Sample { track: None, name: "x".into(), value: 1.0 }
}

async fn partitions(client: &Client, table: &str) -> Vec<String> {
    let sql = format!(
        "SELECT c.relname::text FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid
         WHERE h.inhparent = 'test.{table}'::regclass ORDER BY 1"
    );
    texts(client, &sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn history_goes_by_the_month_and_what_is_open_stays_whole() {
    let server = Server::start();
    let store = server.migrated().await;
    let client = client(&server).await;
    client.batch_execute("SET search_path = test").await.unwrap();
    // Incident 1: over two years ago. 2: over only now, raised two years ago. 3: open for two years. 4: over long ago.
    client
        .batch_execute(
            "INSERT INTO incident (channel, fingerprint, check_id, severity, severity_rank, state, revision, raised_at,
                 updated_at, cleared_at, notice)
             SELECT 'c', n::text, 'x', 'major', 5, CASE n WHEN 3 THEN 'open' ELSE 'cleared' END, 1,
                 now() - interval '2 years', now(),
                 CASE n WHEN 1 THEN now() - interval '2 years' WHEN 2 THEN now() WHEN 4 THEN now() - interval '3 years' END,
                 '{}' FROM generate_series(1, 4) n;
             INSERT INTO alarm_event (incident, revision, change, new_severity, at, recorded_at)
             SELECT n, 1, 'raise', 'major', now(), at FROM generate_series(1, 3) n,
                 (VALUES (now() - interval '1 year'), (now())) x (at);
             INSERT INTO alarm_event (incident, revision, change, new_severity, at, recorded_at)
             VALUES (4, 1, 'raise', 'major', now(), now() - interval '400 days' + interval '1 minute')",
        )
        .await
        .unwrap();
    // Nobody had made the partitions of then: they lie aside, and get their own place now.
    let aside = async || texts(&client, "SELECT count(*)::text FROM alarm_event_other").await.remove(0);
    assert_eq!(aside().await, "4");
    assert_eq!(store.make_partitions().await.unwrap(), Some(2));
    assert_eq!(aside().await, "0");
    assert_eq!(store.make_partitions().await.unwrap(), Some(0), "all are there");
    let before = partitions(&client, "alarm_event").await;
    assert_eq!(before.len(), 6, "two of the past, of now, two ahead, and for the others: {before:?}");

    assert_eq!(store.keep_history(DAY * 5000).await.unwrap(), Some(HistoryKept::default()));
    let kept = store.keep_history(DAY * 90).await.unwrap().unwrap();
    assert_eq!(kept, HistoryKept { partitions: 1, events: 1, incidents: 2 });
    let left = texts(
        &client,
        "SELECT incident::text FROM alarm_event WHERE recorded_at < now() - interval '90 days' ORDER BY 1",
    );
    assert_eq!(left.await, ["2", "3"], "of what is open, or was until now, nothing goes");
    assert_eq!(texts(&client, "SELECT number::text FROM incident ORDER BY 1").await, ["2", "3"]);
    assert_eq!(partitions(&client, "alarm_event").await.len(), 5);
    assert_eq!(store.keep_history(DAY * 90).await.unwrap(), Some(HistoryKept::default()));

    // While another process is at it, nothing is done.
    client
        .batch_execute(
            "SELECT pg_advisory_lock(hashtextextended('ottwatch-keep-history/test', 0)),
                 pg_advisory_lock(hashtextextended('ottwatch-make-partitions/test', 0))",
        )
        .await
        .unwrap();
    assert_eq!(store.keep_history(DAY).await.unwrap(), None);
    assert_eq!(store.make_partitions().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn minute_rollups_go_by_the_day() {
    let server = Server::start();
    let store = server.migrated().await;
    let client = client(&server).await;
    let (channel, stream) = (ChannelId::new("vtv3").unwrap(), StreamId::new("main").unwrap());
    let now = Time::from_unix_micros(jiff::Timestamp::now().as_microsecond());
    let day = |n: i64| now + ow_domain::Span::from_secs(86_400 * n);
    let n_rows = async || store.measures(&channel, &stream, day(-99), day(99), 99).await.unwrap().len();
    // The first partition takes all of the past, and strays of the far future lie aside.
    for n in [-40, -1, 0, 1, 50] {
        store.add_measures(&channel, &stream, day(n), &[sample()]).await.unwrap();
    }
    assert_eq!(n_rows().await, 5);
    let aside = async || texts(&client, "SELECT count(*)::text FROM test.measure_minute_other").await.remove(0);
    assert_eq!(aside().await, "1");
    assert_eq!(partitions(&client, "measure_minute").await.len(), 5, "before, three ahead, and for the others");
    assert_eq!(store.prune_measures(DAY).await.unwrap(), 0, "today is in the first partition");
    // Two days later.
    client
        .batch_execute(
            "ALTER TABLE test.measure_minute DETACH PARTITION test.measure_minute_before;
             UPDATE test.measure_minute_before SET minute = minute - interval '2 days';
             DO $$ BEGIN EXECUTE format('ALTER TABLE test.measure_minute ATTACH PARTITION test.measure_minute_before
                 FOR VALUES FROM (MINVALUE) TO (%L)', date_trunc('day', now()) - interval '1 day'); END $$",
        )
        .await
        .unwrap();
    assert_eq!(store.make_partitions().await.unwrap(), Some(1), "that of today");
    assert_eq!(n_rows().await, 5);
    assert_eq!(store.prune_measures(DAY * 2).await.unwrap(), 0);
    assert_eq!(store.prune_measures(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(n_rows().await, 2, "tomorrow, and what lies aside");
}
