-- The one way in: a batch of journals, all or none, in four statements.
--
--   1  claim keys        known keys with the same body are answered from what they did before
--   2  lock balances     the whole batch, sorted by account, in a statement of its own: no deadlock by order
--   3  insert entries    running balances and versions by window over the fresh snapshot after the lock;
--                        the law (law.sql) checks the set and moves each balance once
--   4  outbox            one event per journal in the same commit, under the code of the book, which is the firm's
--
-- Journals are given as parallel arrays; entries name their journal by its position, counted from 1.
CREATE FUNCTION ledger_post(
    p_book bigint, p_booked_at timestamptz, p_actor text,
    p_ids uuid[], p_keys text[], p_hashes bytea[], p_kinds text[], p_value_on date[],
    p_causes text[], p_narratives text[], p_reversal_of uuid[],
    e_journal integer[], e_account bigint[], e_amount atoms[]
) RETURNS TABLE (ordinal integer, journal_id uuid, is_replay boolean)
LANGUAGE plpgsql AS $$
DECLARE
    reused text;
    fresh uuid[];
BEGIN
    WITH given AS (
        SELECT g.*, coalesce(c.entries, 0) AS entries
          FROM unnest(p_ids, p_keys, p_hashes, p_kinds, p_value_on, p_causes, p_narratives, p_reversal_of)
               WITH ORDINALITY AS g(id, key, hash, kind, value_on, cause, narrative, reversal_of, n)
          LEFT JOIN (SELECT j, count(*) AS entries FROM unnest(e_journal) j GROUP BY j) c ON c.j = g.n
    ), claimed AS (
        INSERT INTO ledger_journal (id, book_id, idempotency_key, body_hash, kind, value_on, booked_at, actor,
                                    cause, narrative, entry_count, reversal_of_id)
        SELECT id, p_book, key, hash, kind, value_on, p_booked_at, p_actor, cause, narrative, entries, reversal_of
          FROM given ORDER BY key, n
        ON CONFLICT (book_id, idempotency_key) DO NOTHING
        RETURNING id
    )
    SELECT array_agg(id) INTO fresh FROM claimed;

    IF cardinality(p_ids) > coalesce(cardinality(fresh), 0) THEN
        SELECT g.key INTO reused
          FROM unnest(p_keys, p_hashes) AS g(key, hash)
          JOIN ledger_journal j ON j.book_id = p_book AND j.idempotency_key = g.key
         WHERE j.body_hash <> g.hash LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'idempotency key % was used before with another body', reused
                USING ERRCODE = 'LB005', DETAIL = json_build_object('key', reused)::text;
        END IF;
    END IF;

    IF fresh IS NOT NULL THEN
        PERFORM 1 FROM ledger_balance b
          WHERE b.account_id = ANY (e_account) ORDER BY b.account_id FOR NO KEY UPDATE;

        INSERT INTO ledger_entry (journal_id, account_id, amount_atoms, balance_atoms, version)
        SELECT p_ids[e.journal], e.account, e.amount,
               b.net_atoms + sum(e.amount) OVER running,
               b.version + row_number() OVER running
          FROM unnest(e_journal, e_account, e_amount) WITH ORDINALITY AS e(journal, account, amount, n)
          JOIN unnest(fresh) AS f(id) ON f.id = p_ids[e.journal]
          JOIN ledger_balance b ON b.account_id = e.account
        WINDOW running AS (PARTITION BY e.account ORDER BY e.n);

        INSERT INTO core_event (topic, broker_code, subject_type, subject_id, actor, reason, payload, occurred_at)
        SELECT 'ledger.journal.posted', k.code, 'ledger.journal', g.id::text, p_actor, '',
               jsonb_build_object('kind', g.kind, 'cause', g.cause), p_booked_at
          FROM unnest(p_ids, p_kinds, p_causes) AS g(id, kind, cause)
          JOIN unnest(fresh) AS f(id) ON f.id = g.id
          JOIN ledger_book k ON k.id = p_book;
    END IF;

    RETURN QUERY
        SELECT g.n::integer, j.id, j.id <> g.id
          FROM unnest(p_ids, p_keys) WITH ORDINALITY AS g(id, key, n)
          JOIN ledger_journal j ON j.book_id = p_book AND j.idempotency_key = g.key
         ORDER BY g.n;
END $$;

-- reverse --
DROP FUNCTION ledger_post;
