-- Minute rollups of measured numbers. Owned by src/measures.rs.
CREATE TABLE measure_minute (
    channel     text NOT NULL,
    stream      text NOT NULL,
    -- Empty for numbers of the stream itself.
    track       text NOT NULL,
    name        text NOT NULL,
    minute      timestamptz NOT NULL,
    n           bigint NOT NULL,
    min         double precision NOT NULL,
    max         double precision NOT NULL,
    sum         double precision NOT NULL,
    last        double precision NOT NULL,
    last_at     timestamptz NOT NULL,
    PRIMARY KEY (channel, stream, track, name, minute)
);
CREATE INDEX measure_minute_minute ON measure_minute USING brin (minute);
