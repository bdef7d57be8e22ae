-- Incidents, what each channel's alarms were judged by, the event log, and the outbox of the alert-router.
-- Owned by src/alarms/.

-- How far the verdicts of a channel were acted on. The row is locked by whoever acts: the fence between two routers.
CREATE TABLE channel_progress (
    channel     text PRIMARY KEY,
    epoch       bigint NOT NULL,
    seq         bigint NOT NULL,
    as_of       timestamptz NOT NULL,
    -- When the router wrote this, by the server's clock.
    acted_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE incident (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel     text NOT NULL,
    fingerprint text NOT NULL,
    check_id    text NOT NULL,
    -- Last severity while open; kept after the clear.
    severity    text NOT NULL,
    -- For filters: 1 info, 2 indeterminate .. 6 critical.
    severity_rank smallint NOT NULL,
    state       text NOT NULL CHECK (state IN ('open', 'cleared')),
    revision    integer NOT NULL,
    -- Severity info: recorded, never told to anybody.
    info        boolean NOT NULL DEFAULT false,
    raised_at   timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    cleared_at  timestamptz,
    clear_reason text,
    -- True while nothing is heard of the subject: it stays open, not confirmed.
    indeterminate boolean NOT NULL DEFAULT false,
    -- The notice of the last revision.
    notice      jsonb NOT NULL,
    -- Receivers that were told of the raise and so must hear of the clear: [{"receiver", "kind"}].
    receivers   jsonb NOT NULL DEFAULT '[]',
    acked_by    text,
    acked_at    timestamptz,
    ack_note    text,
    ack_until   timestamptz
);
CREATE UNIQUE INDEX incident_open_alarm ON incident (channel, fingerprint) WHERE state = 'open';
CREATE INDEX incident_open ON incident (number) WHERE state = 'open' AND NOT info;
CREATE INDEX incident_channel ON incident (channel, number DESC);
CREATE INDEX incident_cleared_at ON incident (cleared_at) WHERE cleared_at IS NOT NULL;

-- Append-only history of every change.
CREATE TABLE alarm_event (
    seq         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident    bigint NOT NULL REFERENCES incident (number) ON DELETE CASCADE,
    revision    integer NOT NULL,
    change      text NOT NULL,
    old_severity text,
    new_severity text NOT NULL,
    cause       text,
    actor       text NOT NULL DEFAULT 'alert-router',
    at          timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX alarm_event_incident ON alarm_event (incident, seq);

-- Messages that the transaction promised; the publisher sends them in order of id and marks them.
CREATE TABLE outbox (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('notify', 'change', 'incident')),
    incident    bigint NOT NULL,
    payload     jsonb NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    sent_at     timestamptz,
    -- Why it could never be sent; such a row counts as sent.
    failure     text
);
CREATE INDEX outbox_unsent ON outbox (id) WHERE sent_at IS NULL;
CREATE INDEX outbox_sent ON outbox (sent_at) WHERE sent_at IS NOT NULL;
