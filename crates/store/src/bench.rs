//! Rows by the hundred thousand, for measurements only.

use crate::{Store, StoreError};

/// How much is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// Incidents, three events each, spread over the channels that are configured and over 300 days.
    pub incidents: u32,
    /// Of these, the newest are open.
    pub open: u32,
    /// Loads of manifests of the first channel by name.
    pub loads: u32,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filled {
    pub incidents: u64,
    pub events: u64,
    pub deliveries: u64,
    pub loads: u64,
}

/// Incidents of one statement.
const PART: i64 = 20_000;

impl Store {
    /// Fills the tables of alarms, deliveries and manifests.
    pub async fn fill(&self, fill: Fill) -> Result<Filled, StoreError> {
        let what = "to fill the tables";
        let (client, _driver) = self.upkeep().await?;
        let n = i64::from(fill.incidents);
        let mut filled = Filled::default();
        // As the notices of the alert-router, about 1 kB.
        let incidents = "INSERT INTO incident (number, channel, fingerprint, check_id, severity, severity_rank, state,
                revision, raised_at, updated_at, cleared_at, notice)
            OVERRIDING SYSTEM VALUE
            SELECT i, c.name, 'f-' || i, 'check-' || i % 240, s.word, 2 + i % 5, CASE WHEN open THEN 'open' ELSE 'cleared' END,
                CASE WHEN open THEN 1 ELSE 3 END, raised, raised + interval '5 minutes',
                CASE WHEN NOT open THEN raised + interval '5 minutes' END,
                jsonb_build_object('number', i, 'revision', CASE WHEN open THEN 1 ELSE 3 END,
                    'change', CASE WHEN open THEN 'raise' ELSE 'clear' END,
                    'severity', CASE WHEN open THEN s.word ELSE 'cleared' END, 'previous_severity', s.word,
                    'channel', c.name, 'channel_name', 'Channel ' || c.name, 'fingerprint', 'f-' || i,
                    'check', 'check-' || i % 240, 'title', 'A check of number ' || i % 240,
                    'subject', jsonb_build_object('protocol', 'hls', 'stream', 'main', 'track', 'video-1080p'),
                    'message', repeat('a sentence of some length that says what is, ', 4), 'value', '24.3 s', 'limit', '18 s',
                    'raised_at', to_char(raised, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
                    'at', to_char(raised, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), 'labels', c.labels,
                    'evidence', jsonb_build_object('capture', 'c-' || i, 'probe', NULL, 'url', 'http://origin.example/a/b/c.m3u8',
                        't_req', to_char(raised, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
                        't_end', to_char(raised, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), 'status', 200,
                        'facts', '[[\"target duration\", \"6 s\"]]'::jsonb))
            FROM generate_series($1::bigint, $2::bigint) i
            CROSS JOIN LATERAL (SELECT i > $3::bigint AS open,
                now() - interval '300 days' * (($4::bigint - i)::float8 / $4::bigint) AS raised) t
            JOIN LATERAL (SELECT (ARRAY['indeterminate', 'warning', 'minor', 'major', 'critical'])[1 + i % 5] AS word) s ON true
            JOIN (SELECT name, labels, row_number() OVER (ORDER BY name) - 1 AS n, count(*) OVER () AS total FROM channel) c
                ON c.n = (i * 7919) % c.total";
        let events = "INSERT INTO alarm_event (incident, revision, change, old_severity, new_severity, at, recorded_at)
            SELECT i.number, e.revision, e.change, CASE WHEN e.revision > 1 THEN i.severity END,
                CASE e.revision WHEN 3 THEN 'cleared' ELSE i.severity END,
                i.raised_at + e.revision * interval '1 minute', i.raised_at + e.revision * interval '1 minute'
            FROM incident i, (VALUES (1, 'raise'), (2, 'update'), (3, 'clear')) e (revision, change)
            WHERE i.number BETWEEN $1 AND $2 AND (i.state = 'cleared' OR e.revision = 1)";
        let deliveries = "INSERT INTO delivery (receiver, incident, revision, kind, change, outcome, attempts, sequence, first_at, at)
            SELECT 'noc-' || number % 20, number, 1, 'slack', 'raise', CASE WHEN number % 50 = 0 THEN 'failed' ELSE 'delivered' END,
                1, number, raised_at, raised_at FROM incident WHERE number BETWEEN $1 AND $2";
        let mut from = 1;
        while from <= n {
            let to = (from + PART - 1).min(n);
            let of_incidents: &[&(dyn tokio_postgres::types::ToSql + Sync)] =
                &[&from, &to, &(n - i64::from(fill.open)), &n];
            filled.incidents += client.execute(incidents, of_incidents).await.map_err(StoreError::query(what))?;
            filled.events += client.execute(events, &[&from, &to]).await.map_err(StoreError::query(what))?;
            filled.deliveries += client.execute(deliveries, &[&from, &to]).await.map_err(StoreError::query(what))?;
            from = to + 1;
        }
        filled.loads = client
            .execute(
                "INSERT INTO manifest_load (channel, stream, object, track, probe, at, url, status, capture)
                 SELECT (SELECT min(name) FROM channel), 'main', 'media-playlist', 'video-' || n % 5, 'p1',
                     now() - n * interval '2 seconds', 'http://origin.example/a.m3u8', 200, 'c-' || n
                 FROM generate_series(1, $1::bigint) n",
                &[&i64::from(fill.loads)],
            )
            .await
            .map_err(StoreError::query(what))?;
        client
            .batch_execute(&format!("SELECT setval(pg_get_serial_sequence('incident', 'number'), {n}); ANALYZE"))
            .await
            .map_err(StoreError::query(what))?;
        Ok(filled)
    }
}
