-- One transaction of messages between 100 pairs, and nothing else: `sent` of each pair are put and as many taken that the transaction before has
-- put, `together` of them in a change of the sender and in one of the receiver.
--   pgbench -n -M prepared -T 10 -r -D sent=10 -D together=1 -f sql/rows.sql URL
-- Messages in a second: 100 times `sent` times the transactions in a second.
SELECT nextval('bench_rows.transaction') AS t \gset
\set changes :sent / :together
\set first_change :t * :changes
\set first_sent :t * 65536
\set first_taken :first_sent - 65536
BEGIN;
SELECT 1 FROM bench_rows.actor a JOIN (SELECT CAST('' AS TEXT) AS namespace, side || '/0-' || pair AS id FROM generate_series(0, 99) pair, unnest(ARRAY['sender', 'receiver']) side OFFSET 0) v ON a.namespace = v.namespace AND a.id = v.id ORDER BY a.namespace, a.id FOR UPDATE OF a;
UPDATE bench_rows.actor a SET seq = a.seq + :changes, mark = :t FROM (SELECT CAST('' AS TEXT) AS namespace, side || '/0-' || pair AS id FROM generate_series(0, 99) pair, unnest(ARRAY['sender', 'receiver']) side OFFSET 0) v WHERE a.namespace = v.namespace AND a.id = v.id AND a.epoch = 1;
INSERT INTO bench_rows.change SELECT '', side || '/0-' || pair, :first_change + n, decode(repeat('ab', 120), 'hex') FROM generate_series(0, 99) pair, unnest(ARRAY['sender', 'receiver']) side, generate_series(1, :changes) n;
INSERT INTO bench_rows.inbox SELECT '', 'receiver/0-' || pair, 'sender/0-' || pair, :first_sent + n, decode(repeat('ab', 60), 'hex'), 1 FROM generate_series(0, 99) pair, generate_series(1, :sent) n;
DELETE FROM bench_rows.inbox i USING (SELECT CAST('' AS TEXT) AS namespace, 'receiver/0-' || pair AS receiver, 'sender/0-' || pair AS sender, :first_taken + n AS seq FROM generate_series(0, 99) pair, generate_series(1, :sent) n OFFSET 0) v WHERE i.namespace = v.namespace AND i.receiver = v.receiver AND i.sender = v.sender AND i.sender_seq = v.seq;
COMMIT;
