-- The tables of Pawl's that a message passes through, and 100 pairs of actors (crates/postgres/src/schema.rs).
DROP SCHEMA IF EXISTS bench_rows CASCADE;
CREATE SCHEMA bench_rows;
SET search_path TO bench_rows;
CREATE TABLE actor (
    namespace TEXT COLLATE "C" NOT NULL, id TEXT COLLATE "C" NOT NULL, epoch BIGINT NOT NULL, seq BIGINT NOT NULL, alarm BIGINT,
    status TEXT NOT NULL, state_version BIGINT NOT NULL, owner BIGINT, mark BIGINT NOT NULL, code TEXT, PRIMARY KEY (namespace, id)
) WITH (fillfactor = 50);
CREATE INDEX actor_alarm ON actor (alarm) WHERE alarm IS NOT NULL;
CREATE INDEX actor_owner ON actor (owner) WHERE owner IS NOT NULL;
CREATE INDEX actor_parked ON actor (namespace, id) WHERE status = 'parked';
CREATE TABLE change (
    namespace TEXT COLLATE "C" NOT NULL, actor TEXT COLLATE "C" NOT NULL, seq BIGINT NOT NULL, body BYTEA NOT NULL,
    PRIMARY KEY (namespace, actor, seq)
);
CREATE TABLE inbox (
    namespace TEXT COLLATE "C" NOT NULL, receiver TEXT COLLATE "C" NOT NULL, sender TEXT COLLATE "C" NOT NULL, sender_seq BIGINT NOT NULL,
    body BYTEA NOT NULL, known BIGINT, PRIMARY KEY (namespace, receiver, sender, sender_seq)
);
CREATE SEQUENCE transaction;
INSERT INTO actor SELECT '', side || '/0-' || pair, 1, 0, NULL, 'running', 0, 1, 0, NULL
    FROM generate_series(0, 99) pair, unnest(ARRAY['sender', 'receiver']) side;
