-- More kinds of configuration: topology, groups, silences and maintenance windows. The same form as in V1; what must not
-- dangle is a foreign key checked at commit. Packager and region of a channel and region of a probe are names first:
-- an object of that name may be missing, so these are none.
-- Owned by src/config/.

CREATE TABLE region (
    name        text PRIMARY KEY,
    labels      jsonb NOT NULL,
    spec        jsonb NOT NULL,
    revision    bigint NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    parent      text GENERATED ALWAYS AS (spec ->> 'parent') STORED
        REFERENCES region (name) DEFERRABLE INITIALLY DEFERRED
);

CREATE TABLE packager (
    name        text PRIMARY KEY,
    labels      jsonb NOT NULL,
    spec        jsonb NOT NULL,
    revision    bigint NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    region      text GENERATED ALWAYS AS (spec ->> 'region') STORED
        REFERENCES region (name) DEFERRABLE INITIALLY DEFERRED
);

CREATE TABLE channel_group (
    name        text PRIMARY KEY,
    labels      jsonb NOT NULL,
    spec        jsonb NOT NULL,
    revision    bigint NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now()
);

-- Channels that a group lists, beside those with its label.
CREATE TABLE channel_group_member (
    channel_group text NOT NULL REFERENCES channel_group (name) ON DELETE CASCADE,
    channel       text NOT NULL REFERENCES channel (name) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (channel_group, channel)
);
CREATE INDEX channel_group_member_channel ON channel_group_member (channel);

CREATE TABLE silence (
    name        text PRIMARY KEY,
    labels      jsonb NOT NULL,
    spec        jsonb NOT NULL,
    revision    bigint NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE maintenance (
    name        text PRIMARY KEY,
    labels      jsonb NOT NULL,
    spec        jsonb NOT NULL,
    revision    bigint NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE maintenance_group (
    maintenance   text NOT NULL REFERENCES maintenance (name) ON DELETE CASCADE,
    channel_group text NOT NULL REFERENCES channel_group (name) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (maintenance, channel_group)
);

-- Lists of channels: by label, in the order of change, and what refers to what.
CREATE INDEX channel_labels ON channel USING gin (labels jsonb_path_ops);
CREATE INDEX channel_changed ON channel (changed_at, name);
CREATE INDEX channel_template ON channel (template);
CREATE INDEX channel_packager ON channel (packager);
CREATE INDEX route_receiver_receiver ON route_receiver (receiver);

-- The token of a probe. Only its hash is kept; a new one replaces it.
CREATE TABLE probe_credential (
    probe       text PRIMARY KEY REFERENCES probe (name) ON DELETE CASCADE,
    token_hash  bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    created_at  timestamptz NOT NULL DEFAULT now(),
    created_by  text NOT NULL
);
