-- What each receiver was told. Owned by src/deliveries.rs.

-- The delivery log: one row per incident, revision and receiver, however often it was tried.
CREATE TABLE delivery (
    receiver    text NOT NULL,
    incident    bigint NOT NULL,
    revision    integer NOT NULL,
    kind        text NOT NULL,
    change      text NOT NULL,
    -- pending: begun, nothing known of its end (a crash between sending and logging leaves it so).
    outcome     text NOT NULL CHECK (outcome IN ('pending', 'delivered', 'deferred', 'failed', 'superseded')),
    attempts    integer NOT NULL DEFAULT 0,
    -- Running number per receiver, for gap detection by the other side; the same in every attempt.
    sequence    bigint,
    detail      text NOT NULL DEFAULT '',
    first_at    timestamptz NOT NULL DEFAULT now(),
    at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (receiver, incident, revision)
);
CREATE INDEX delivery_incident ON delivery (incident, at);
CREATE INDEX delivery_failed ON delivery (at) WHERE outcome = 'failed';
CREATE INDEX delivery_at ON delivery (at);

-- Per receiver and incident: what it knows, and who is telling it just now.
CREATE TABLE delivery_state (
    receiver    text NOT NULL,
    incident    bigint NOT NULL,
    -- Last revision delivered; 0: none.
    delivered_revision integer NOT NULL DEFAULT 0,
    -- Highest raise or update that was taken up, delivered or not.
    seen_revision integer NOT NULL DEFAULT 0,
    -- A raise or update reached it, or may have (sent, but the answer was not heard).
    announced   boolean NOT NULL DEFAULT false,
    -- The clear was delivered, or found needless: nothing of the incident up to this revision is sent any more.
    closed_revision integer,
    slack_channel text,
    slack_ts    text,
    email_root  text,
    -- A lease, so that two notifiers never tell one receiver of one incident at the same time.
    lease_holder text,
    lease_until timestamptz,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (receiver, incident)
);
CREATE INDEX delivery_state_updated ON delivery_state (updated_at);

-- Per receiver: its running number, and when a heartbeat was last sent (by whichever notifier).
CREATE TABLE delivery_target (
    receiver    text PRIMARY KEY,
    sequence    bigint NOT NULL DEFAULT 0,
    heartbeat_at timestamptz
);

-- SNMP engines: one per notifier that runs at the same time. A lost or repeated boots counter makes v3 stations drop
-- traps in silence (RFC 3414 §2.2), so it is here and not in a file.
CREATE TABLE snmp_engine (
    slot        integer PRIMARY KEY,
    engine_id   bytea NOT NULL,
    boots       bigint NOT NULL
);
