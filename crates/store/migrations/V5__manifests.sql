-- Manifests as they were served. Owned by src/manifests.rs; written by the recorder, pruned by age and size.
CREATE TABLE manifest_body (
    -- SHA-256 of the body as received.
    digest      bytea PRIMARY KEY,
    -- Text, one zstd frame.
    body        bytea NOT NULL,
    -- Bytes of the text, and of `body`.
    text_bytes  integer NOT NULL,
    size        integer NOT NULL,
    -- Bytes that are not UTF-8 were replaced.
    lossy       boolean NOT NULL,
    last_seen   timestamptz NOT NULL
);
-- It is compressed already.
ALTER TABLE manifest_body ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX manifest_body_last_seen ON manifest_body (last_seen);

-- Loads of manifests: every one that brought something else than the one before, and one a minute.
CREATE TABLE manifest_load (
    channel     text NOT NULL,
    stream      text NOT NULL,
    -- mvp, media-playlist or mpd.
    object      text NOT NULL,
    -- Empty for what belongs to no rendition.
    track       text NOT NULL,
    probe       text NOT NULL,
    -- When the answer ended.
    at          timestamptz NOT NULL,
    -- Without user, password and query.
    url         text NOT NULL,
    -- Absent when no answer came; `failure` says why then.
    status      smallint,
    failure     text,
    -- Absent when the answer has no body that is kept.
    digest      bytea,
    capture     text NOT NULL,
    PRIMARY KEY (channel, stream, object, track, probe, at)
);
CREATE INDEX manifest_load_at ON manifest_load (at);
