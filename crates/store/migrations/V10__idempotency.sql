-- Answers of changes that were asked for with an Idempotency-Key, so that asking again does not change again.
-- Owned by src/idempotency.rs. Rows live for a day.

CREATE TABLE idempotency (
    -- Who asked: keys of one are nothing to another.
    actor       text NOT NULL,
    key         text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    -- SHA-256 of method, address and body.
    request     bytea NOT NULL CHECK (length(request) = 32),
    began_at    timestamptz NOT NULL,
    -- NULL: not answered yet.
    status      smallint,
    -- [["name", "value"], ...]
    headers     jsonb,
    body        bytea,
    PRIMARY KEY (actor, key)
);
CREATE INDEX idempotency_began ON idempotency (began_at);
