-- Configuration: one table per kind, each row its name, labels and spec (the normal form of crates/config).
-- References are foreign keys checked at commit, so that no order of changes matters and nothing dangles.
-- Owned by src/config/.

-- One row per applied change set. The highest revision is that of the configuration as a whole.
CREATE TABLE config_revision (
    revision    bigint PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    actor       text NOT NULL,
    source      text NOT NULL,
    n_created   integer NOT NULL,
    n_updated   integer NOT NULL,
    n_deleted   integer NOT NULL
);
INSERT INTO config_revision (revision, actor, source, n_created, n_updated, n_deleted)
VALUES (0, 'ottwatch', 'migration', 0, 0, 0);

CREATE TABLE probe (
    name        text PRIMARY KEY,
    labels      jsonb NOT NULL,
    spec        jsonb NOT NULL,
    revision    bigint NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    region      text GENERATED ALWAYS AS (spec ->> 'region') STORED
);

CREATE TABLE receiver (
    name        text PRIMARY KEY,
    labels      jsonb NOT NULL,
    spec        jsonb NOT NULL,
    revision    bigint NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE route (
    name        text PRIMARY KEY,
    labels      jsonb NOT NULL,
    spec        jsonb NOT NULL,
    revision    bigint NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    -- Routes are tried by position, then name.
    position    integer GENERATED ALWAYS AS (COALESCE((spec ->> 'order')::integer, 100)) STORED
);

CREATE TABLE route_receiver (
    route       text NOT NULL REFERENCES route (name) ON DELETE CASCADE,
    receiver    text NOT NULL REFERENCES receiver (name) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (route, receiver)
);

CREATE TABLE template (
    name        text PRIMARY KEY,
    labels      jsonb NOT NULL,
    spec        jsonb NOT NULL,
    revision    bigint NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    extends     text GENERATED ALWAYS AS (spec ->> 'extends') STORED
        REFERENCES template (name) DEFERRABLE INITIALLY DEFERRED
);

CREATE TABLE channel (
    name        text PRIMARY KEY,
    labels      jsonb NOT NULL,
    spec        jsonb NOT NULL,
    revision    bigint NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    template    text GENERATED ALWAYS AS (spec ->> 'template') STORED
        REFERENCES template (name) DEFERRABLE INITIALLY DEFERRED,
    packager    text GENERATED ALWAYS AS (spec ->> 'packager') STORED,
    region      text GENERATED ALWAYS AS (spec ->> 'region') STORED
);

CREATE TABLE stream (
    channel     text NOT NULL REFERENCES channel (name) ON DELETE CASCADE,
    name        text NOT NULL,
    position    integer NOT NULL,
    protocol    text NOT NULL,
    url         text NOT NULL,
    PRIMARY KEY (channel, name)
);

CREATE TABLE channel_probe (
    channel     text NOT NULL REFERENCES channel (name) ON DELETE CASCADE,
    probe       text NOT NULL REFERENCES probe (name) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (channel, probe)
);
CREATE INDEX channel_probe_probe ON channel_probe (probe);

-- Who changed what, with the spec before and after (secrets taken out). Append-only.
CREATE TABLE audit (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    actor       text NOT NULL,
    source      text NOT NULL,
    action      text NOT NULL CHECK (action IN ('create', 'update', 'delete')),
    kind        text NOT NULL,
    name        text NOT NULL,
    before      jsonb,
    after       jsonb,
    revision    bigint NOT NULL
);
CREATE INDEX audit_object ON audit (kind, name, id);
