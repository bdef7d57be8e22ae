-- Who may use the installation: people, their sessions and tokens, and how often somebody guessed wrong.
-- Owned by src/access/. No secret stands here: of passwords the argon2id hash, of all that is random the SHA-256.

CREATE TABLE access_user (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._@-]{0,126}$'),
    display_name text NOT NULL DEFAULT '',
    email       text NOT NULL DEFAULT '',
    role        text NOT NULL CHECK (role IN ('viewer', 'operator', 'engineer', 'admin')),
    -- {"label": ["value", ...]}; NULL: all channels.
    label_scope jsonb,
    -- Argon2id, PHC form; NULL: no password yet, or signs in at the identity provider.
    password    text,
    password_changed_at timestamptz,
    -- Identity at an OpenID provider: its issuer and the subject there. Both or none.
    issuer      text,
    subject     text,
    disabled    boolean NOT NULL DEFAULT false,
    revision    bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    changed_at  timestamptz NOT NULL,
    last_login_at timestamptz,
    CHECK ((issuer IS NULL) = (subject IS NULL))
);
CREATE UNIQUE INDEX access_user_identity ON access_user (issuer, subject) WHERE issuer IS NOT NULL;
CREATE INDEX access_user_admins ON access_user (id) WHERE role = 'admin' AND NOT disabled;

CREATE TABLE access_session (
    -- Shown to its owner; the secret is another value.
    id          uuid PRIMARY KEY,
    hash        bytea NOT NULL UNIQUE,
    user_id     bigint NOT NULL REFERENCES access_user (id) ON DELETE CASCADE,
    -- password, invitation or oidc.
    method      text NOT NULL,
    address     text NOT NULL,
    agent       text NOT NULL,
    created_at  timestamptz NOT NULL,
    -- Written when older than a minute.
    seen_at     timestamptz NOT NULL,
    -- Over at the earlier of the two; the first moves with use.
    idle_until  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL
);
CREATE INDEX access_session_user ON access_session (user_id, created_at);
CREATE INDEX access_session_expires ON access_session (expires_at);

CREATE TABLE access_token (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    user_id     bigint NOT NULL REFERENCES access_user (id) ON DELETE CASCADE,
    hash        bytea NOT NULL UNIQUE,
    -- First characters, to recognise it in a leak: ow_pat_ab12.
    hint        text NOT NULL,
    scopes      jsonb NOT NULL,
    label_scope jsonb,
    revision    bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    changed_at  timestamptz NOT NULL,
    expires_at  timestamptz,
    -- Written when older than a minute.
    last_used_at timestamptz,
    last_used_from text,
    UNIQUE (user_id, name)
);

-- One-time codes by which somebody sets a first or a forgotten password.
CREATE TABLE access_invitation (
    hash        bytea PRIMARY KEY,
    user_id     bigint NOT NULL REFERENCES access_user (id) ON DELETE CASCADE,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL
);
CREATE INDEX access_invitation_user ON access_invitation (user_id);
CREATE INDEX access_invitation_expires ON access_invitation (expires_at);

-- Wrong guesses, per account (there or not) and per address.
CREATE TABLE access_throttle (
    key         text PRIMARY KEY,
    n_failures  integer NOT NULL,
    last_at     timestamptz NOT NULL,
    blocked_until timestamptz
);
CREATE INDEX access_throttle_last ON access_throttle (last_at);

-- Sign-ins under way at the identity provider. A row is taken out by the one answer it is good for.
CREATE TABLE access_oidc_login (
    state_hash  bytea PRIMARY KEY,
    -- SHA-256 of the secret in the browser's cookie.
    browser_hash bytea NOT NULL,
    return_to   text NOT NULL,
    expires_at  timestamptz NOT NULL
);
CREATE INDEX access_oidc_login_expires ON access_oidc_login (expires_at);

-- The audit trail takes every kind of actor, action and object; configuration has a revision, the rest has none.
ALTER TABLE audit DROP CONSTRAINT audit_action_check;
ALTER TABLE audit ADD CONSTRAINT audit_action_check CHECK (action ~ '^[a-z][a-z0-9-]{0,39}$');
ALTER TABLE audit ALTER COLUMN revision SET DEFAULT 0;
CREATE INDEX audit_actor ON audit (actor, id);
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_action ON audit (action, id);

-- Whether a channel with these labels is inside of a scope; no scope admits all. For every list that shows channels or
-- what belongs to them.
CREATE FUNCTION in_label_scope(labels jsonb, scope jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT scope IS NULL OR NOT EXISTS (
        SELECT FROM jsonb_each(scope) s WHERE NOT COALESCE(s.value ? (labels ->> s.key), false)) $$;
