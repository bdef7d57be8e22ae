--
-- PostgreSQL database dump
--



SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: test; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA test;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: alarm_event; Type: TABLE; Schema: test; Owner: -
--

CREATE TABLE test.alarm_event (
    seq bigint NOT NULL,
    incident bigint NOT NULL,
    revision integer NOT NULL,
    change text NOT NULL,
    old_severity text,
    new_severity text NOT NULL,
    cause text,
    actor text DEFAULT 'alert-router'::text NOT NULL,
    at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: alarm_event_seq_seq; Type: SEQUENCE; Schema: test; Owner: -
--

ALTER TABLE test.alarm_event ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME test.alarm_event_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: audit; Type: TABLE; Schema: test; Owner: -
--

CREATE TABLE test.audit (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    actor text NOT NULL,
    source text NOT NULL,
    action text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    before jsonb,
    after jsonb,
    revision bigint NOT NULL,
    CONSTRAINT audit_action_check CHECK ((action = ANY (ARRAY['create'::text, 'update'::text, 'delete'::text])))
);


--
-- Name: audit_id_seq; Type: SEQUENCE; Schema: test; Owner: -
--

ALTER TABLE test.audit ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME test.audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: channel; Type: TABLE; Schema: test; Owner: -
--

CREATE TABLE test.channel (
    name text NOT NULL,
    labels jsonb NOT NULL,
    spec jsonb NOT NULL,
    revision bigint NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    template text GENERATED ALWAYS AS ((spec ->> 'template'::text)) STORED,
    packager text GENERATED ALWAYS AS ((spec ->> 'packager'::text)) STORED,
    region text GENERATED ALWAYS AS ((spec ->> 'region'::text)) STORED
);


--
-- Name: channel_probe; Type: TABLE; Schema: test; Owner: -
--

CREATE TABLE test.channel_probe (
    channel text NOT NULL,
    probe text NOT NULL
);


--
-- Name: channel_progress; Type: TABLE; Schema: test; Owner: -
--

CREATE TABLE test.channel_progress (
    channel text NOT NULL,
    epoch bigint NOT NULL,
    seq bigint NOT NULL,
    as_of timestamp with time zone NOT NULL,
    acted_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: config_revision; Type: TABLE; Schema: test; Owner: -
--

CREATE TABLE test.config_revision (
    revision bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    actor text NOT NULL,
    source text NOT NULL,
    n_created integer NOT NULL,
    n_updated integer NOT NULL,
    n_deleted integer NOT NULL
);


--
-- Name: delivery; Type: TABLE; Schema: test; Owner: -
--

CREATE TABLE test.delivery (
    receiver text NOT NULL,
    incident bigint NOT NULL,
    revision integer NOT NULL,
    kind text NOT NULL,
    change text NOT NULL,
    outcome text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    sequence bigint,
    detail text DEFAULT ''::text NOT NULL,
    first_at timestamp with time zone DEFAULT now() NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT delivery_outcome_check CHECK ((outcome = ANY (ARRAY['pending'::text, 'delivered'::text, 'deferred'::text, 'failed'::text, 'superseded'::text])))
);


--
-- Name: delivery_state; Type: TABLE; Schema: test; Owner: -
--

CREATE TABLE test.delivery_state (
    receiver text NOT NULL,
    incident bigint NOT NULL,
    delivered_revision integer DEFAULT 0 NOT NULL,
    seen_revision integer DEFAULT 0 NOT NULL,
    announced boolean DEFAULT false NOT NULL,
    closed_revision integer,
    slack_channel text,
    slack_ts text,
    email_root text,
    lease_holder text,
    lease_until timestamp with time zone,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: delivery_target; Type: TABLE; Schema: test; Owner: -
--

CREATE TABLE test.delivery_target (
    receiver text NOT NULL,
    sequence bigint DEFAULT 0 NOT NULL,
    heartbeat_at timestamp with time zone
);


--
-- Name: incident; Type: TABLE; Schema: test; Owner: -
--

CREATE TABLE test.incident (
    number bigint NOT NULL,
    channel text NOT NULL,
    fingerprint text NOT NULL,
    check_id text NOT NULL,
    severity text NOT NULL,
    severity_rank smallint NOT NULL,
    state text NOT NULL,
    revision integer NOT NULL,
    info boolean DEFAULT false NOT NULL,
    raised_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    cleared_at timestamp with time zone,
    clear_reason text,
    indeterminate boolean DEFAULT false NOT NULL,
    notice jsonb NOT NULL,
    receivers jsonb DEFAULT '[]'::jsonb NOT NULL,
    acked_by text,
    acked_at timestamp with time zone,
    ack_note text,
    ack_until timestamp with time zone,
    CONSTRAINT incident_state_check CHECK ((state = ANY (ARRAY['open'::text, 'cleared'::text])))
);


--
-- Name: incident_number_seq; Type: SEQUENCE; Schema: test; Owner: -
--

ALTER TABLE test.incident ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME test.incident_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: manifest_body; Type: TABLE; Schema: test; Owner: -
--

CREATE TABLE test.manifest_body (
    digest bytea NOT NULL,
    body bytea NOT NULL,
    text_bytes integer NOT NULL,
    size integer NOT NULL,
    lossy boolean NOT NULL,
    last_seen timestamp with time zone NOT NULL
);
ALTER TABLE ONLY test.manifest_body ALTER COLUMN body SET STORAGE EXTERNAL;


--
-- Name: manifest_load; Type: TABLE; Schema: test; Owner: -
--

CREATE TABLE test.manifest_load (
    channel text NOT NULL,
    stream text NOT NULL,
    object text NOT NULL,
    track text NOT NULL,
    probe text NOT NULL,
    at timestamp with time zone NOT NULL,
    url text NOT NULL,
    status smallint,
    failure text,
    digest bytea,
    capture text NOT NULL
);


--
-- Name: measure_minute; Type: TABLE; Schema: test; Owner: -
--

CREATE TABLE test.measure_minute (
    channel text NOT NULL,
    stream text NOT NULL,
    track text NOT NULL,
    name text NOT NULL,
    minute timestamp with time zone NOT NULL,
    n bigint NOT NULL,
    min double precision NOT NULL,
    max double precision NOT NULL,
    sum double precision NOT NULL,
    last double precision NOT NULL,
    last_at timestamp with time zone NOT NULL
);


--
-- Name: outbox; Type: TABLE; Schema: test; Owner: -
--

CREATE TABLE test.outbox (
    id bigint NOT NULL,
    kind text NOT NULL,
    incident bigint NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    sent_at timestamp with time zone,
    failure text,
    CONSTRAINT outbox_kind_check CHECK ((kind = ANY (ARRAY['notify'::text, 'change'::text, 'incident'::text])))
);


--
-- Name: outbox_id_seq; Type: SEQUENCE; Schema: test; Owner: -
--

ALTER TABLE test.outbox ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME test.outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: probe; Type: TABLE; Schema: test; Owner: -
--

CREATE TABLE test.probe (
    name text NOT NULL,
    labels jsonb NOT NULL,
    spec jsonb NOT NULL,
    revision bigint NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    region text GENERATED ALWAYS AS ((spec ->> 'region'::text)) STORED
);


--
-- Name: receiver; Type: TABLE; Schema: test; Owner: -
--

CREATE TABLE test.receiver (
    name text NOT NULL,
    labels jsonb NOT NULL,
    spec jsonb NOT NULL,
    revision bigint NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: route; Type: TABLE; Schema: test; Owner: -
--

CREATE TABLE test.route (
    name text NOT NULL,
    labels jsonb NOT NULL,
    spec jsonb NOT NULL,
    revision bigint NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    "position" integer GENERATED ALWAYS AS (COALESCE(((spec ->> 'order'::text))::integer, 100)) STORED
);


--
-- Name: route_receiver; Type: TABLE; Schema: test; Owner: -
--

CREATE TABLE test.route_receiver (
    route text NOT NULL,
    receiver text NOT NULL
);


--
-- Name: schema_migration; Type: TABLE; Schema: test; Owner: -
--

CREATE TABLE test.schema_migration (
    version integer NOT NULL,
    name character varying(255),
    applied_on character varying(255),
    checksum character varying(255)
);


--
-- Name: snmp_engine; Type: TABLE; Schema: test; Owner: -
--

CREATE TABLE test.snmp_engine (
    slot integer NOT NULL,
    engine_id bytea NOT NULL,
    boots bigint NOT NULL
);


--
-- Name: stream; Type: TABLE; Schema: test; Owner: -
--

CREATE TABLE test.stream (
    channel text NOT NULL,
    name text NOT NULL,
    "position" integer NOT NULL,
    protocol text NOT NULL,
    url text NOT NULL
);


--
-- Name: template; Type: TABLE; Schema: test; Owner: -
--

CREATE TABLE test.template (
    name text NOT NULL,
    labels jsonb NOT NULL,
    spec jsonb NOT NULL,
    revision bigint NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    extends text GENERATED ALWAYS AS ((spec ->> 'extends'::text)) STORED
);


--
-- Data for Name: alarm_event; Type: TABLE DATA; Schema: test; Owner: -
--

INSERT INTO test.alarm_event OVERRIDING SYSTEM VALUE VALUES (1, 1, 1, 'raise', NULL, 'major', NULL, 'alert-router', '1970-01-01 00:00:01+00', '2026-08-03 22:37:10.032495+00');
INSERT INTO test.alarm_event OVERRIDING SYSTEM VALUE VALUES (2, 2, 1, 'raise', NULL, 'minor', NULL, 'alert-router', '1970-01-01 00:00:01+00', '2026-08-03 22:37:10.032495+00');
INSERT INTO test.alarm_event OVERRIDING SYSTEM VALUE VALUES (3, 1, 2, 'update', 'major', 'critical', NULL, 'alert-router', '1970-01-01 00:00:02+00', '2026-11-22 22:37:10.038057+00');
INSERT INTO test.alarm_event OVERRIDING SYSTEM VALUE VALUES (4, 1, 3, 'clear', 'major', 'cleared', NULL, 'alert-router', '1970-01-01 00:00:03+00', '2026-11-22 22:37:10.040203+00');


--
-- Data for Name: audit; Type: TABLE DATA; Schema: test; Owner: -
--

INSERT INTO test.audit OVERRIDING SYSTEM VALUE VALUES (1, '2026-11-22 22:37:10.017764+00', 'ops', 'cli', 'create', 'Probe', 'hcm-1', NULL, '{"spec": {"region": "hcm"}, "labels": {"tier": "1"}}', 1);
INSERT INTO test.audit OVERRIDING SYSTEM VALUE VALUES (2, '2026-11-22 22:37:10.017764+00', 'ops', 'cli', 'create', 'Receiver', 'noc', NULL, '{"spec": {"type": "slack", "channel": "C1", "bot_token": {"env": "SLACK"}}, "labels": {"tier": "1"}}', 1);
INSERT INTO test.audit OVERRIDING SYSTEM VALUE VALUES (3, '2026-11-22 22:37:10.017764+00', 'ops', 'cli', 'create', 'Route', 'all', NULL, '{"spec": {"order": 10, "receivers": ["noc"]}, "labels": {"tier": "1"}}', 1);
INSERT INTO test.audit OVERRIDING SYSTEM VALUE VALUES (4, '2026-11-22 22:37:10.017764+00', 'ops', 'cli', 'create', 'Template', 'base', NULL, '{"spec": {"class": "live"}, "labels": {"tier": "1"}}', 1);
INSERT INTO test.audit OVERRIDING SYSTEM VALUE VALUES (5, '2026-11-22 22:37:10.017764+00', 'ops', 'cli', 'create', 'Template', 'sport', NULL, '{"spec": {"extends": "base"}, "labels": {"tier": "1"}}', 1);
INSERT INTO test.audit OVERRIDING SYSTEM VALUE VALUES (6, '2026-11-22 22:37:10.017764+00', 'ops', 'cli', 'create', 'Channel', 'vtv3', NULL, '{"spec": {"probes": ["hcm-1"], "streams": [{"url": "http://origin.example/vtv3/master.m3u8", "name": "main", "protocol": "hls"}], "template": "sport", "displayName": "VTV3 Thể thao"}, "labels": {"tier": "1"}}', 1);


--
-- Data for Name: channel; Type: TABLE DATA; Schema: test; Owner: -
--

INSERT INTO test.channel VALUES ('vtv3', '{"tier": "1"}', '{"probes": ["hcm-1"], "streams": [{"url": "http://origin.example/vtv3/master.m3u8", "name": "main", "protocol": "hls"}], "template": "sport", "displayName": "VTV3 Thể thao"}', 1, '2026-11-22 22:37:10.017764+00', DEFAULT, DEFAULT, DEFAULT);


--
-- Data for Name: channel_probe; Type: TABLE DATA; Schema: test; Owner: -
--

INSERT INTO test.channel_probe VALUES ('vtv3', 'hcm-1');


--
-- Data for Name: channel_progress; Type: TABLE DATA; Schema: test; Owner: -
--

INSERT INTO test.channel_progress VALUES ('vtv3', 1, 9, '1970-01-01 00:00:05+00', '2026-11-22 22:37:10.040203+00');


--
-- Data for Name: config_revision; Type: TABLE DATA; Schema: test; Owner: -
--

INSERT INTO test.config_revision VALUES (0, '2026-11-22 22:37:09.955879+00', 'ottwatch', 'migration', 0, 0, 0);
INSERT INTO test.config_revision VALUES (1, '2026-11-22 22:37:10.017764+00', 'ops', 'cli', 6, 0, 0);


--
-- Data for Name: delivery; Type: TABLE DATA; Schema: test; Owner: -
--

INSERT INTO test.delivery VALUES ('noc', 1, 1, 'slack', 'raise', 'delivered', 1, 1, '200', '2026-11-22 22:37:10.041899+00', '2026-11-20 10:00:00+00');


--
-- Data for Name: delivery_state; Type: TABLE DATA; Schema: test; Owner: -
--

INSERT INTO test.delivery_state VALUES ('noc', 1, 1, 1, true, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-22 22:37:10.045667+00');


--
-- Data for Name: delivery_target; Type: TABLE DATA; Schema: test; Owner: -
--

INSERT INTO test.delivery_target VALUES ('noc', 1, NULL);


--
-- Data for Name: incident; Type: TABLE DATA; Schema: test; Owner: -
--

INSERT INTO test.incident OVERRIDING SYSTEM VALUE VALUES (2, 'vtv3', 'b', 'hls-playlist-stale', 'minor', 4, 'open', 1, false, '1970-01-01 00:00:01+00', '1970-01-01 00:00:01+00', NULL, NULL, false, '{"at": "1970-01-01T00:00:01.000000Z", "check": "hls-playlist-stale", "event": false, "limit": "18 s", "title": "HLS playlist stale", "value": "24.3 s", "change": "raise", "labels": {}, "number": 2, "channel": "vtv3", "message": "Not changed for 24.3 s, said �", "subject": {}, "revision": 1, "severity": "minor", "raised_at": "1970-01-01T00:00:01.000000Z", "fingerprint": "b", "channel_name": "VTV3 Thể thao"}', '[{"kind": "slack", "receiver": "noc"}]', NULL, NULL, NULL, NULL);
INSERT INTO test.incident OVERRIDING SYSTEM VALUE VALUES (1, 'vtv3', 'a', 'hls-playlist-stale', 'major', 5, 'cleared', 3, false, '1970-01-01 00:00:01+00', '1970-01-01 00:00:03+00', '1970-01-01 00:00:09+00', NULL, false, '{"at": "1970-01-01T00:00:03.000000Z", "check": "hls-playlist-stale", "event": false, "limit": "18 s", "title": "HLS playlist stale", "value": "24.3 s", "change": "clear", "labels": {}, "number": 1, "channel": "vtv3", "message": "Not changed for 24.3 s, said �", "subject": {}, "revision": 3, "severity": "cleared", "raised_at": "1970-01-01T00:00:01.000000Z", "cleared_at": "1970-01-01T00:00:09.000000Z", "fingerprint": "a", "channel_name": "VTV3 Thể thao", "previous_severity": "major"}', '[{"kind": "slack", "receiver": "noc"}]', NULL, NULL, NULL, NULL);


--
-- Data for Name: manifest_body; Type: TABLE DATA; Schema: test; Owner: -
--

INSERT INTO test.manifest_body VALUES ('\x9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', '\x28b52ffd200c610000234558544d33552074657374', 12, 21, false, '2026-11-20 10:00:00+00');


--
-- Data for Name: manifest_load; Type: TABLE DATA; Schema: test; Owner: -
--

INSERT INTO test.manifest_load VALUES ('vtv3', 'main', 'mvp', '', 'hcm-1', '2026-11-20 10:00:00+00', 'http://origin.example/vtv3/master.m3u8', 200, NULL, '\x9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', 'c1');


--
-- Data for Name: measure_minute; Type: TABLE DATA; Schema: test; Owner: -
--

INSERT INTO test.measure_minute VALUES ('vtv3', 'main', 'v1', 'bitrate', '2026-11-20 10:00:00+00', 2, 0, 1, 1, 1, '2026-11-20 10:00:30+00');
INSERT INTO test.measure_minute VALUES ('vtv3', 'main', 'v1', 'bitrate', '2026-11-20 10:01:00+00', 1, 2, 2, 2, 2, '2026-11-20 10:01:00+00');


--
-- Data for Name: outbox; Type: TABLE DATA; Schema: test; Owner: -
--

INSERT INTO test.outbox OVERRIDING SYSTEM VALUE VALUES (1, 'notify', 1, '{"kind": "slack", "notice": {"at": "1970-01-01T00:00:01.000000Z", "check": "hls-playlist-stale", "event": false, "limit": "18 s", "title": "HLS playlist stale", "value": "24.3 s", "change": "raise", "labels": {}, "number": 1, "channel": "vtv3", "message": "Not changed for 24.3 s, said �", "subject": {}, "revision": 1, "severity": "major", "raised_at": "1970-01-01T00:00:01.000000Z", "fingerprint": "a", "channel_name": "VTV3 Thể thao"}, "receiver": "noc"}', '2026-11-22 22:37:10.032495+00', NULL, NULL);
INSERT INTO test.outbox OVERRIDING SYSTEM VALUE VALUES (2, 'change', 1, '{"at": "1970-01-01T00:00:01.000000Z", "check": "hls-playlist-stale", "event": false, "limit": "18 s", "title": "HLS playlist stale", "value": "24.3 s", "change": "raise", "labels": {}, "number": 1, "channel": "vtv3", "message": "Not changed for 24.3 s, said �", "subject": {}, "revision": 1, "severity": "major", "raised_at": "1970-01-01T00:00:01.000000Z", "fingerprint": "a", "channel_name": "VTV3 Thể thao"}', '2026-11-22 22:37:10.032495+00', NULL, NULL);
INSERT INTO test.outbox OVERRIDING SYSTEM VALUE VALUES (3, 'incident', 1, '{"at": "1970-01-01T00:00:01.000000Z", "check": "hls-playlist-stale", "event": false, "limit": "18 s", "title": "HLS playlist stale", "value": "24.3 s", "change": "raise", "labels": {}, "number": 1, "channel": "vtv3", "message": "Not changed for 24.3 s, said �", "subject": {}, "revision": 1, "severity": "major", "raised_at": "1970-01-01T00:00:01.000000Z", "fingerprint": "a", "channel_name": "VTV3 Thể thao"}', '2026-11-22 22:37:10.032495+00', NULL, NULL);
INSERT INTO test.outbox OVERRIDING SYSTEM VALUE VALUES (4, 'notify', 2, '{"kind": "slack", "notice": {"at": "1970-01-01T00:00:01.000000Z", "check": "hls-playlist-stale", "event": false, "limit": "18 s", "title": "HLS playlist stale", "value": "24.3 s", "change": "raise", "labels": {}, "number": 2, "channel": "vtv3", "message": "Not changed for 24.3 s, said �", "subject": {}, "revision": 1, "severity": "minor", "raised_at": "1970-01-01T00:00:01.000000Z", "fingerprint": "b", "channel_name": "VTV3 Thể thao"}, "receiver": "noc"}', '2026-11-22 22:37:10.032495+00', NULL, NULL);
INSERT INTO test.outbox OVERRIDING SYSTEM VALUE VALUES (5, 'change', 2, '{"at": "1970-01-01T00:00:01.000000Z", "check": "hls-playlist-stale", "event": false, "limit": "18 s", "title": "HLS playlist stale", "value": "24.3 s", "change": "raise", "labels": {}, "number": 2, "channel": "vtv3", "message": "Not changed for 24.3 s, said �", "subject": {}, "revision": 1, "severity": "minor", "raised_at": "1970-01-01T00:00:01.000000Z", "fingerprint": "b", "channel_name": "VTV3 Thể thao"}', '2026-11-22 22:37:10.032495+00', NULL, NULL);
INSERT INTO test.outbox OVERRIDING SYSTEM VALUE VALUES (6, 'incident', 2, '{"at": "1970-01-01T00:00:01.000000Z", "check": "hls-playlist-stale", "event": false, "limit": "18 s", "title": "HLS playlist stale", "value": "24.3 s", "change": "raise", "labels": {}, "number": 2, "channel": "vtv3", "message": "Not changed for 24.3 s, said �", "subject": {}, "revision": 1, "severity": "minor", "raised_at": "1970-01-01T00:00:01.000000Z", "fingerprint": "b", "channel_name": "VTV3 Thể thao"}', '2026-11-22 22:37:10.032495+00', NULL, NULL);
INSERT INTO test.outbox OVERRIDING SYSTEM VALUE VALUES (7, 'notify', 1, '{"kind": "slack", "notice": {"at": "1970-01-01T00:00:02.000000Z", "check": "hls-playlist-stale", "event": false, "limit": "18 s", "title": "HLS playlist stale", "value": "24.3 s", "change": "update", "labels": {}, "number": 1, "channel": "vtv3", "message": "Not changed for 24.3 s, said �", "subject": {}, "revision": 2, "severity": "critical", "raised_at": "1970-01-01T00:00:01.000000Z", "fingerprint": "a", "channel_name": "VTV3 Thể thao", "previous_severity": "major"}, "receiver": "noc"}', '2026-11-22 22:37:10.038057+00', NULL, NULL);
INSERT INTO test.outbox OVERRIDING SYSTEM VALUE VALUES (8, 'change', 1, '{"at": "1970-01-01T00:00:02.000000Z", "check": "hls-playlist-stale", "event": false, "limit": "18 s", "title": "HLS playlist stale", "value": "24.3 s", "change": "update", "labels": {}, "number": 1, "channel": "vtv3", "message": "Not changed for 24.3 s, said �", "subject": {}, "revision": 2, "severity": "critical", "raised_at": "1970-01-01T00:00:01.000000Z", "fingerprint": "a", "channel_name": "VTV3 Thể thao", "previous_severity": "major"}', '2026-11-22 22:37:10.038057+00', NULL, NULL);
INSERT INTO test.outbox OVERRIDING SYSTEM VALUE VALUES (9, 'incident', 1, '{"at": "1970-01-01T00:00:02.000000Z", "check": "hls-playlist-stale", "event": false, "limit": "18 s", "title": "HLS playlist stale", "value": "24.3 s", "change": "update", "labels": {}, "number": 1, "channel": "vtv3", "message": "Not changed for 24.3 s, said �", "subject": {}, "revision": 2, "severity": "critical", "raised_at": "1970-01-01T00:00:01.000000Z", "fingerprint": "a", "channel_name": "VTV3 Thể thao", "previous_severity": "major"}', '2026-11-22 22:37:10.038057+00', NULL, NULL);
INSERT INTO test.outbox OVERRIDING SYSTEM VALUE VALUES (10, 'notify', 1, '{"kind": "slack", "notice": {"at": "1970-01-01T00:00:03.000000Z", "check": "hls-playlist-stale", "event": false, "limit": "18 s", "title": "HLS playlist stale", "value": "24.3 s", "change": "clear", "labels": {}, "number": 1, "channel": "vtv3", "message": "Not changed for 24.3 s, said �", "subject": {}, "revision": 3, "severity": "cleared", "raised_at": "1970-01-01T00:00:01.000000Z", "cleared_at": "1970-01-01T00:00:09.000000Z", "fingerprint": "a", "channel_name": "VTV3 Thể thao", "previous_severity": "major"}, "receiver": "noc"}', '2026-11-22 22:37:10.040203+00', NULL, NULL);
INSERT INTO test.outbox OVERRIDING SYSTEM VALUE VALUES (11, 'change', 1, '{"at": "1970-01-01T00:00:03.000000Z", "check": "hls-playlist-stale", "event": false, "limit": "18 s", "title": "HLS playlist stale", "value": "24.3 s", "change": "clear", "labels": {}, "number": 1, "channel": "vtv3", "message": "Not changed for 24.3 s, said �", "subject": {}, "revision": 3, "severity": "cleared", "raised_at": "1970-01-01T00:00:01.000000Z", "cleared_at": "1970-01-01T00:00:09.000000Z", "fingerprint": "a", "channel_name": "VTV3 Thể thao", "previous_severity": "major"}', '2026-11-22 22:37:10.040203+00', NULL, NULL);
INSERT INTO test.outbox OVERRIDING SYSTEM VALUE VALUES (12, 'incident', 1, '{"at": "1970-01-01T00:00:03.000000Z", "check": "hls-playlist-stale", "event": false, "limit": "18 s", "title": "HLS playlist stale", "value": "24.3 s", "change": "clear", "labels": {}, "number": 1, "channel": "vtv3", "message": "Not changed for 24.3 s, said �", "subject": {}, "revision": 3, "severity": "cleared", "raised_at": "1970-01-01T00:00:01.000000Z", "cleared_at": "1970-01-01T00:00:09.000000Z", "fingerprint": "a", "channel_name": "VTV3 Thể thao", "previous_severity": "major"}', '2026-11-22 22:37:10.040203+00', NULL, NULL);


--
-- Data for Name: probe; Type: TABLE DATA; Schema: test; Owner: -
--

INSERT INTO test.probe VALUES ('hcm-1', '{"tier": "1"}', '{"region": "hcm"}', 1, '2026-11-22 22:37:10.017764+00', DEFAULT);


--
-- Data for Name: receiver; Type: TABLE DATA; Schema: test; Owner: -
--

INSERT INTO test.receiver VALUES ('noc', '{"tier": "1"}', '{"type": "slack", "channel": "C1", "bot_token": {"env": "SLACK"}}', 1, '2026-11-22 22:37:10.017764+00');


--
-- Data for Name: route; Type: TABLE DATA; Schema: test; Owner: -
--

INSERT INTO test.route VALUES ('all', '{"tier": "1"}', '{"order": 10, "receivers": ["noc"]}', 1, '2026-11-22 22:37:10.017764+00', DEFAULT);


--
-- Data for Name: route_receiver; Type: TABLE DATA; Schema: test; Owner: -
--

INSERT INTO test.route_receiver VALUES ('all', 'noc');


--
-- Data for Name: schema_migration; Type: TABLE DATA; Schema: test; Owner: -
--

INSERT INTO test.schema_migration VALUES (1, 'config', '2026-11-22T22:37:09.955779912Z', '17816045800141737751');
INSERT INTO test.schema_migration VALUES (2, 'alarms', '2026-11-22T22:37:09.977285713Z', '9062743304979504756');
INSERT INTO test.schema_migration VALUES (3, 'deliveries', '2026-11-22T22:37:09.991990455Z', '12582423566498132921');
INSERT INTO test.schema_migration VALUES (4, 'measures', '2026-11-22T22:37:10.003236849Z', '4270891313430684807');
INSERT INTO test.schema_migration VALUES (5, 'manifests', '2026-11-22T22:37:10.007049255Z', '14955174598776579000');


--
-- Data for Name: snmp_engine; Type: TABLE DATA; Schema: test; Owner: -
--



--
-- Data for Name: stream; Type: TABLE DATA; Schema: test; Owner: -
--

INSERT INTO test.stream VALUES ('vtv3', 'main', 1, 'hls', 'http://origin.example/vtv3/master.m3u8');


--
-- Data for Name: template; Type: TABLE DATA; Schema: test; Owner: -
--

INSERT INTO test.template VALUES ('base', '{"tier": "1"}', '{"class": "live"}', 1, '2026-11-22 22:37:10.017764+00', DEFAULT);
INSERT INTO test.template VALUES ('sport', '{"tier": "1"}', '{"extends": "base"}', 1, '2026-11-22 22:37:10.017764+00', DEFAULT);


--
-- Name: alarm_event_seq_seq; Type: SEQUENCE SET; Schema: test; Owner: -
--

SELECT pg_catalog.setval('test.alarm_event_seq_seq', 4, true);


--
-- Name: audit_id_seq; Type: SEQUENCE SET; Schema: test; Owner: -
--

SELECT pg_catalog.setval('test.audit_id_seq', 6, true);


--
-- Name: incident_number_seq; Type: SEQUENCE SET; Schema: test; Owner: -
--

SELECT pg_catalog.setval('test.incident_number_seq', 2, true);


--
-- Name: outbox_id_seq; Type: SEQUENCE SET; Schema: test; Owner: -
--

SELECT pg_catalog.setval('test.outbox_id_seq', 12, true);


--
-- Name: alarm_event alarm_event_pkey; Type: CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.alarm_event
    ADD CONSTRAINT alarm_event_pkey PRIMARY KEY (seq);


--
-- Name: audit audit_pkey; Type: CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (id);


--
-- Name: channel channel_pkey; Type: CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.channel
    ADD CONSTRAINT channel_pkey PRIMARY KEY (name);


--
-- Name: channel_probe channel_probe_pkey; Type: CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.channel_probe
    ADD CONSTRAINT channel_probe_pkey PRIMARY KEY (channel, probe);


--
-- Name: channel_progress channel_progress_pkey; Type: CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.channel_progress
    ADD CONSTRAINT channel_progress_pkey PRIMARY KEY (channel);


--
-- Name: config_revision config_revision_pkey; Type: CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.config_revision
    ADD CONSTRAINT config_revision_pkey PRIMARY KEY (revision);


--
-- Name: delivery delivery_pkey; Type: CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.delivery
    ADD CONSTRAINT delivery_pkey PRIMARY KEY (receiver, incident, revision);


--
-- Name: delivery_state delivery_state_pkey; Type: CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.delivery_state
    ADD CONSTRAINT delivery_state_pkey PRIMARY KEY (receiver, incident);


--
-- Name: delivery_target delivery_target_pkey; Type: CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.delivery_target
    ADD CONSTRAINT delivery_target_pkey PRIMARY KEY (receiver);


--
-- Name: incident incident_pkey; Type: CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.incident
    ADD CONSTRAINT incident_pkey PRIMARY KEY (number);


--
-- Name: manifest_body manifest_body_pkey; Type: CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.manifest_body
    ADD CONSTRAINT manifest_body_pkey PRIMARY KEY (digest);


--
-- Name: manifest_load manifest_load_pkey; Type: CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.manifest_load
    ADD CONSTRAINT manifest_load_pkey PRIMARY KEY (channel, stream, object, track, probe, at);


--
-- Name: measure_minute measure_minute_pkey; Type: CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.measure_minute
    ADD CONSTRAINT measure_minute_pkey PRIMARY KEY (channel, stream, track, name, minute);


--
-- Name: outbox outbox_pkey; Type: CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);


--
-- Name: probe probe_pkey; Type: CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.probe
    ADD CONSTRAINT probe_pkey PRIMARY KEY (name);


--
-- Name: receiver receiver_pkey; Type: CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.receiver
    ADD CONSTRAINT receiver_pkey PRIMARY KEY (name);


--
-- Name: route route_pkey; Type: CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.route
    ADD CONSTRAINT route_pkey PRIMARY KEY (name);


--
-- Name: route_receiver route_receiver_pkey; Type: CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.route_receiver
    ADD CONSTRAINT route_receiver_pkey PRIMARY KEY (route, receiver);


--
-- Name: schema_migration schema_migration_pkey; Type: CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (version);


--
-- Name: snmp_engine snmp_engine_pkey; Type: CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.snmp_engine
    ADD CONSTRAINT snmp_engine_pkey PRIMARY KEY (slot);


--
-- Name: stream stream_pkey; Type: CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.stream
    ADD CONSTRAINT stream_pkey PRIMARY KEY (channel, name);


--
-- Name: template template_pkey; Type: CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.template
    ADD CONSTRAINT template_pkey PRIMARY KEY (name);


--
-- Name: alarm_event_incident; Type: INDEX; Schema: test; Owner: -
--

CREATE INDEX alarm_event_incident ON test.alarm_event USING btree (incident, seq);


--
-- Name: audit_object; Type: INDEX; Schema: test; Owner: -
--

CREATE INDEX audit_object ON test.audit USING btree (kind, name, id);


--
-- Name: channel_probe_probe; Type: INDEX; Schema: test; Owner: -
--

CREATE INDEX channel_probe_probe ON test.channel_probe USING btree (probe);


--
-- Name: delivery_at; Type: INDEX; Schema: test; Owner: -
--

CREATE INDEX delivery_at ON test.delivery USING btree (at);


--
-- Name: delivery_failed; Type: INDEX; Schema: test; Owner: -
--

CREATE INDEX delivery_failed ON test.delivery USING btree (at) WHERE (outcome = 'failed'::text);


--
-- Name: delivery_incident; Type: INDEX; Schema: test; Owner: -
--

CREATE INDEX delivery_incident ON test.delivery USING btree (incident, at);


--
-- Name: delivery_state_updated; Type: INDEX; Schema: test; Owner: -
--

CREATE INDEX delivery_state_updated ON test.delivery_state USING btree (updated_at);


--
-- Name: incident_channel; Type: INDEX; Schema: test; Owner: -
--

CREATE INDEX incident_channel ON test.incident USING btree (channel, number DESC);


--
-- Name: incident_cleared_at; Type: INDEX; Schema: test; Owner: -
--

CREATE INDEX incident_cleared_at ON test.incident USING btree (cleared_at) WHERE (cleared_at IS NOT NULL);


--
-- Name: incident_open; Type: INDEX; Schema: test; Owner: -
--

CREATE INDEX incident_open ON test.incident USING btree (number) WHERE ((state = 'open'::text) AND (NOT info));


--
-- Name: incident_open_alarm; Type: INDEX; Schema: test; Owner: -
--

CREATE UNIQUE INDEX incident_open_alarm ON test.incident USING btree (channel, fingerprint) WHERE (state = 'open'::text);


--
-- Name: manifest_body_last_seen; Type: INDEX; Schema: test; Owner: -
--

CREATE INDEX manifest_body_last_seen ON test.manifest_body USING btree (last_seen);


--
-- Name: manifest_load_at; Type: INDEX; Schema: test; Owner: -
--

CREATE INDEX manifest_load_at ON test.manifest_load USING btree (at);


--
-- Name: measure_minute_minute; Type: INDEX; Schema: test; Owner: -
--

CREATE INDEX measure_minute_minute ON test.measure_minute USING brin (minute);


--
-- Name: outbox_sent; Type: INDEX; Schema: test; Owner: -
--

CREATE INDEX outbox_sent ON test.outbox USING btree (sent_at) WHERE (sent_at IS NOT NULL);


--
-- Name: outbox_unsent; Type: INDEX; Schema: test; Owner: -
--

CREATE INDEX outbox_unsent ON test.outbox USING btree (id) WHERE (sent_at IS NULL);


--
-- Name: alarm_event alarm_event_incident_fkey; Type: FK CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.alarm_event
    ADD CONSTRAINT alarm_event_incident_fkey FOREIGN KEY (incident) REFERENCES test.incident(number) ON DELETE CASCADE;


--
-- Name: channel_probe channel_probe_channel_fkey; Type: FK CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.channel_probe
    ADD CONSTRAINT channel_probe_channel_fkey FOREIGN KEY (channel) REFERENCES test.channel(name) ON DELETE CASCADE;


--
-- Name: channel_probe channel_probe_probe_fkey; Type: FK CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.channel_probe
    ADD CONSTRAINT channel_probe_probe_fkey FOREIGN KEY (probe) REFERENCES test.probe(name) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: channel channel_template_fkey; Type: FK CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.channel
    ADD CONSTRAINT channel_template_fkey FOREIGN KEY (template) REFERENCES test.template(name) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: route_receiver route_receiver_receiver_fkey; Type: FK CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.route_receiver
    ADD CONSTRAINT route_receiver_receiver_fkey FOREIGN KEY (receiver) REFERENCES test.receiver(name) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: route_receiver route_receiver_route_fkey; Type: FK CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.route_receiver
    ADD CONSTRAINT route_receiver_route_fkey FOREIGN KEY (route) REFERENCES test.route(name) ON DELETE CASCADE;


--
-- Name: stream stream_channel_fkey; Type: FK CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.stream
    ADD CONSTRAINT stream_channel_fkey FOREIGN KEY (channel) REFERENCES test.channel(name) ON DELETE CASCADE;


--
-- Name: template template_extends_fkey; Type: FK CONSTRAINT; Schema: test; Owner: -
--

ALTER TABLE ONLY test.template
    ADD CONSTRAINT template_extends_fkey FOREIGN KEY (extends) REFERENCES test.template(name) DEFERRABLE INITIALLY DEFERRED;


--
-- PostgreSQL database dump complete
--


