-- History by time: what grows for ever is cut into partitions that are made ahead and dropped whole.
-- Owned by src/partitions.rs. A row outside of every partition goes to `<table>_other` and is moved later; writing
-- never fails for want of a partition.
-- `delivery` and `delivery_state` stay whole: their keys carry no time, and a key must carry what it is cut by.

-- alarm_event by month of recording. It has no foreign key to `incident` any more: rows are written in the transaction
-- that writes the incident, and an incident is forgotten together with its events.
ALTER TABLE alarm_event RENAME TO alarm_event_whole;
ALTER TABLE alarm_event_whole ALTER COLUMN seq DROP IDENTITY;
CREATE SEQUENCE alarm_event_numbers AS bigint;
CREATE TABLE alarm_event (
    LIKE alarm_event_whole INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE,
    CONSTRAINT alarm_event_key PRIMARY KEY (seq, recorded_at)
) PARTITION BY RANGE (recorded_at);
ALTER TABLE alarm_event ALTER COLUMN seq SET DEFAULT nextval('alarm_event_numbers');
ALTER SEQUENCE alarm_event_numbers OWNED BY alarm_event.seq;
CREATE TABLE alarm_event_other PARTITION OF alarm_event DEFAULT;
DO $$
DECLARE
    month timestamptz;
BEGIN
    FOR month IN
        SELECT DISTINCT date_trunc('month', recorded_at) FROM alarm_event_whole
        UNION SELECT date_trunc('month', now())
    LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF alarm_event FOR VALUES FROM (%L) TO (%L)',
            'alarm_event_' || to_char(month, 'YYYYMM'), month, month + interval '1 month');
    END LOOP;
END
$$;
INSERT INTO alarm_event SELECT * FROM alarm_event_whole;
SELECT setval('alarm_event_numbers', greatest((SELECT max(seq) FROM alarm_event_whole), 1),
    EXISTS (SELECT 1 FROM alarm_event_whole));
DROP TABLE alarm_event_whole;
CREATE INDEX alarm_event_of_incident ON alarm_event (incident, seq);

-- measure_minute by day. What is there stays where it is, as the first partition.
ALTER TABLE measure_minute RENAME TO measure_minute_before;
ALTER INDEX measure_minute_pkey RENAME TO measure_minute_before_pkey;
ALTER INDEX measure_minute_minute RENAME TO measure_minute_before_minute;
CREATE TABLE measure_minute (
    LIKE measure_minute_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE,
    PRIMARY KEY (channel, stream, track, name, minute)
) PARTITION BY RANGE (minute);
CREATE TABLE measure_minute_other PARTITION OF measure_minute DEFAULT;
DO $$
BEGIN
    EXECUTE format('ALTER TABLE measure_minute ATTACH PARTITION measure_minute_before FOR VALUES FROM (MINVALUE) TO (%L)',
        (SELECT date_trunc('day', greatest(now(), max(minute))) + interval '1 day' FROM measure_minute_before));
END
$$;

-- Lists of incidents: by what people filter, newest first.
CREATE INDEX incident_check ON incident (check_id, number DESC);
CREATE INDEX incident_told ON incident (number DESC) WHERE NOT info;
CREATE INDEX incident_cleared ON incident (number DESC) WHERE state = 'cleared' AND NOT info;
CREATE INDEX incident_severity ON incident (severity_rank, number) WHERE NOT info;

-- How often somebody had it sent again.
ALTER TABLE delivery ADD COLUMN resends integer NOT NULL DEFAULT 0;

-- Lists of deliveries: newest first, and the same of one receiver or one outcome.
CREATE INDEX delivery_newest ON delivery (first_at, incident, revision, receiver);
CREATE INDEX delivery_of_receiver ON delivery (receiver, first_at, incident, revision);
CREATE INDEX delivery_of_outcome ON delivery (outcome, first_at, incident, revision, receiver);
DROP INDEX delivery_failed;

-- Loads of a channel by time, whichever manifest.
CREATE INDEX manifest_load_channel ON manifest_load (channel, at);
CREATE INDEX manifest_load_digest ON manifest_load (digest) WHERE digest IS NOT NULL;
