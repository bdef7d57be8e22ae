-- What people and rules do to incidents: acknowledgement, shelves and silences, closing by hand; and the lists that
-- people look at. Owned by src/alarms/.

-- Counts what was done to a channel's incidents besides acting on verdicts: with epoch and seq the fence.
ALTER TABLE channel_progress ADD COLUMN operations bigint NOT NULL DEFAULT 0;

ALTER TABLE incident
    -- Something hides it: nobody is told. What, is in the notice.
    ADD COLUMN suppressed boolean NOT NULL DEFAULT false,
    -- Those who know of it should hear something that was kept back.
    ADD COLUMN owed     boolean NOT NULL DEFAULT false,
    -- When its acknowledgement or its shelf runs out.
    ADD COLUMN due_at   timestamptz,
    ADD COLUMN labels   jsonb GENERATED ALWAYS AS (notice -> 'labels') STORED,
    ADD COLUMN packager text GENERATED ALWAYS AS (notice ->> 'packager') STORED,
    ADD COLUMN region   text GENERATED ALWAYS AS (notice ->> 'region') STORED,
    -- What a search looks at.
    ADD COLUMN search   text GENERATED ALWAYS AS (lower(
        channel || ' ' || coalesce(notice ->> 'channel_name', '') || ' ' || check_id || ' '
        || coalesce(notice ->> 'title', '') || ' ' || coalesce(notice ->> 'message', ''))) STORED;
CREATE INDEX incident_due ON incident (due_at) WHERE state = 'open' AND due_at IS NOT NULL;
CREATE INDEX incident_suppressed ON incident (number) WHERE state = 'open' AND suppressed;
CREATE INDEX incident_worst ON incident (severity_rank, number) WHERE state = 'open';
CREATE INDEX incident_updated ON incident (updated_at, number);
CREATE INDEX incident_raised ON incident (raised_at, number);
CREATE INDEX incident_labels ON incident USING gin (labels jsonb_path_ops);

-- Closed by hand, while the condition may still be listed: it begins anew when a check fails after `at`.
CREATE TABLE forced_clear (
    channel     text NOT NULL,
    fingerprint text NOT NULL,
    incident    bigint NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (channel, fingerprint)
);

-- Of an acknowledgement or a shelf: when it ends.
ALTER TABLE alarm_event ADD COLUMN until timestamptz;
