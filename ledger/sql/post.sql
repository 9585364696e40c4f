-- The accounts of the journals from `p_from` to `p_to` of a batch.
CREATE OR REPLACE FUNCTION ledger_accounts_of(e_journal integer[], e_account bigint[], p_from integer, p_to integer)
RETURNS bigint[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(account) FROM unnest(e_journal, e_account) AS e(journal, account) WHERE journal BETWEEN p_from AND p_to
$$;

-- The one way in: a batch of journals in three statements and one commit.
--
--   1  claim     keys, in their own order; known keys are answered from what they did before
--   2  journals  of the keys that were claimed
--   3  entries   with running balances and versions, under locks on the balances of the whole batch, sorted by account: a
--                locking SELECT gives the newest row, not that of the statement's snapshot. Then the law, a trigger on
--                entries, checks the set and moves each balance once (law.sql)
--
-- Plans are kept for the session and serve one journal and thousands alike, so nested loops are out: they are what turns a
-- plan made for one journal into one that takes a second for a thousand.
--
-- With `p_is_eager` no key is expected to be known: a row that is simply inserted costs half of one that may conflict. Where
-- one is known after all, the call ends with a unique violation on `ledger_key_pkey` and is to be made again without.
--
-- A journal is its own row of the outbox: it carries the transaction that wrote it (see ledger/outbox.py).
-- Journals are given as parallel arrays; entries name their journal by its position, counted from 1, and tell what the batch
-- has moved on their account up to them, and in how many entries: the balances they state are computed from that when the
-- whole batch is new, and the law does not take the caller's word for them. Only what was not booked now is returned:
-- journals known before. Everything between `p_from` and `p_to` is booked, or nothing is.
CREATE OR REPLACE FUNCTION ledger_post(
    p_is_eager boolean, p_book bigint, p_booked_at timestamptz, p_from integer, p_to integer,
    p_ids uuid[], p_keys text[], p_hashes bytea[], p_actors text[], p_kinds text[], p_value_on date[],
    p_causes text[], p_narratives text[], p_entry_counts smallint[], p_reversal_of uuid[], p_holds uuid[],
    e_journal integer[], e_position smallint[], e_account bigint[], e_amount numeric[], e_moved numeric[], e_turn integer[]
) RETURNS TABLE (ordinal integer, journal_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_nestloop = off
    SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    is_whole boolean := p_from = 1 AND p_to = cardinality(p_ids);
    fresh boolean[];
    fresh_count integer;
    known record;
    accounts bigint[] := e_account;
BEGIN
    IF p_is_eager THEN
        INSERT INTO ledger_key (book_id, key, journal_id)
        SELECT p_book, g.key, g.id FROM unnest(p_ids, p_keys) WITH ORDINALITY AS g(id, key, n)
         WHERE g.n BETWEEN p_from AND p_to ORDER BY g.key, g.n;
    ELSE
        INSERT INTO ledger_key (book_id, key, journal_id)
        SELECT p_book, g.key, g.id FROM unnest(p_ids, p_keys) WITH ORDINALITY AS g(id, key, n)
         WHERE g.n BETWEEN p_from AND p_to ORDER BY g.key, g.n
        ON CONFLICT DO NOTHING;
    END IF;
    GET DIAGNOSTICS fresh_count = ROW_COUNT;

    IF fresh_count < p_to - p_from + 1 THEN
        SELECT array_agg(k.journal_id IS NOT DISTINCT FROM g.id ORDER BY g.n) INTO fresh
          FROM unnest(p_ids, p_keys) WITH ORDINALITY AS g(id, key, n)
          LEFT JOIN ledger_key k ON k.book_id = p_book AND k.key = g.key AND g.n BETWEEN p_from AND p_to;
        -- A key is known from an earlier commit, or from an earlier item of this batch that is booked below.
        SELECT g.key, coalesce(j.body_hash, k.body_hash, f.hash) <> g.hash AS is_reused, k.refusal INTO known
          FROM unnest(p_keys, p_hashes) WITH ORDINALITY AS g(key, hash, n)
          JOIN ledger_key k ON k.book_id = p_book AND k.key = g.key
          LEFT JOIN ledger_journal j ON j.id = k.journal_id
          LEFT JOIN unnest(p_ids, p_hashes) AS f(id, hash) ON f.id = k.journal_id
         WHERE g.n BETWEEN p_from AND p_to
           AND (k.refusal IS NOT NULL OR coalesce(j.body_hash, k.body_hash, f.hash) <> g.hash)
         ORDER BY is_reused DESC LIMIT 1;
        IF FOUND AND known.is_reused THEN
            RAISE EXCEPTION 'idempotency key % was used before with another body', known.key
                USING ERRCODE = 'LB005', DETAIL = json_build_object('key', known.key)::text;
        ELSIF FOUND THEN
            RAISE EXCEPTION 'idempotency key % was refused before', known.key
                USING ERRCODE = 'LB010', DETAIL = known.refusal::text;
        END IF;
    END IF;

    IF fresh_count > 0 THEN
        INSERT INTO ledger_journal (id, book_id, idempotency_key, body_hash, kind, value_on, booked_at, actor, cause,
                                    narrative, entry_count, reversal_of_id, hold_id)
        SELECT g.id, p_book, g.key, g.hash, g.kind, g.value_on, p_booked_at, g.actor, g.cause, g.narrative, g.entries,
               g.reversal_of, g.hold
          FROM unnest(p_ids, p_keys, p_hashes, p_actors, p_kinds, p_value_on, p_causes, p_narratives, p_entry_counts, p_reversal_of,
                      p_holds)
               WITH ORDINALITY AS g(id, key, hash, actor, kind, value_on, cause, narrative, entries, reversal_of, hold, n)
         WHERE g.n BETWEEN p_from AND p_to AND (fresh IS NULL OR fresh[g.n]);

        IF NOT is_whole THEN
            accounts := ledger_accounts_of(e_journal, e_account, p_from, p_to);
        END IF;
        IF is_whole AND fresh IS NULL THEN
            WITH locked AS MATERIALIZED (
                SELECT b.account_id, b.net_atoms, b.version FROM ledger_balance b
                 WHERE b.account_id = ANY (accounts) ORDER BY b.account_id FOR NO KEY UPDATE
            )
            INSERT INTO ledger_entry (journal_id, position, account_id, amount_atoms, balance_atoms, version)
            SELECT p_ids[e.journal], e.position, e.account, e.amount, b.net_atoms + e.moved, b.version + e.turn
              FROM unnest(e_journal, e_position, e_account, e_amount, e_moved, e_turn)
                   AS e(journal, position, account, amount, moved, turn)
              JOIN locked b ON b.account_id = e.account;
        ELSE
            WITH locked AS MATERIALIZED (
                SELECT b.account_id, b.net_atoms, b.version FROM ledger_balance b
                 WHERE b.account_id = ANY (accounts) ORDER BY b.account_id FOR NO KEY UPDATE
            )
            INSERT INTO ledger_entry (journal_id, position, account_id, amount_atoms, balance_atoms, version)
            SELECT p_ids[e.journal], e.position, e.account, e.amount,
                   b.net_atoms + sum(e.amount) OVER running,
                   b.version + row_number() OVER running
              FROM unnest(e_journal, e_position, e_account, e_amount)
                   WITH ORDINALITY AS e(journal, position, account, amount, n)
              JOIN locked b ON b.account_id = e.account
             WHERE e.journal BETWEEN p_from AND p_to AND (fresh IS NULL OR fresh[e.journal])
            WINDOW running AS (PARTITION BY e.account ORDER BY e.n);
        END IF;
    END IF;

    IF fresh IS NOT NULL THEN
        RETURN QUERY
            SELECT g.n::integer, k.journal_id
              FROM unnest(p_keys) WITH ORDINALITY AS g(key, n)
              JOIN ledger_key k ON k.book_id = p_book AND k.key = g.key
             WHERE g.n BETWEEN p_from AND p_to AND NOT fresh[g.n];
    END IF;
END $$;

-- One journal: what `ledger_post` does for a set, without what only sets need. Entries stand in the order of the arrays.
-- Returns the journal that was known before, else nothing.
CREATE OR REPLACE FUNCTION ledger_post_one(
    p_is_eager boolean, p_book bigint, p_booked_at timestamptz, p_id uuid, p_key text, p_hash bytea, p_actor text, p_kind text,
    p_value_on date, p_cause text, p_narrative text, p_reversal_of uuid, p_hold uuid, e_account bigint[], e_amount numeric[]
) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_bitmapscan = off
    SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    written integer;
BEGIN
    IF p_is_eager THEN
        INSERT INTO ledger_key (book_id, key, journal_id) VALUES (p_book, p_key, p_id);
    ELSE
        INSERT INTO ledger_key (book_id, key, journal_id) VALUES (p_book, p_key, p_id) ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            RETURN (SELECT k.journal_id FROM ledger_post(
                false, p_book, p_booked_at, 1, 1, ARRAY[p_id], ARRAY[p_key], ARRAY[p_hash], ARRAY[p_actor], ARRAY[p_kind],
                ARRAY[p_value_on], ARRAY[p_cause], ARRAY[p_narrative], ARRAY[cardinality(e_account)::smallint],
                ARRAY[p_reversal_of], ARRAY[p_hold], '{}', '{}', e_account, e_amount, '{}', '{}') k);
        END IF;
    END IF;
    INSERT INTO ledger_journal (id, book_id, idempotency_key, body_hash, kind, value_on, booked_at, actor, cause, narrative,
                                entry_count, reversal_of_id, hold_id)
    VALUES (p_id, p_book, p_key, p_hash, p_kind, p_value_on, p_booked_at, p_actor, p_cause, p_narrative,
            cardinality(e_account), p_reversal_of, p_hold);
    INSERT INTO ledger_entry (journal_id, position, account_id, amount_atoms, balance_atoms, version)
    SELECT p_id, b.place, b.account_id, e_amount[b.place], b.net_atoms + e_amount[b.place], b.version + 1
      FROM (SELECT account_id, net_atoms, version, array_position(e_account, account_id) AS place FROM ledger_balance
             WHERE account_id = ANY (e_account) ORDER BY account_id FOR NO KEY UPDATE) b;
    GET DIAGNOSTICS written = ROW_COUNT;
    IF written <> cardinality(e_account) OR written <> cardinality(e_amount) THEN
        RAISE EXCEPTION 'entries of journal % must be on accounts that exist, once each', p_id USING ERRCODE = 'LB003';
    END IF;
    RETURN NULL;
END $$;

-- Whether an error is a refusal of the law, which a batch of independent journals survives.
CREATE OR REPLACE FUNCTION ledger_is_refusal(p_state text, p_constraint text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT p_state LIKE 'LB%' OR p_constraint IN ('atoms_are_whole', 'ledger_journal_has_entries')
$$;

-- Each journal on its own, in order, with the outcome of each that was not booked now: known before, or refused. With
-- `p_keep` a refusal is kept under its key and given again. The batch is tried whole first; where it is refused it is halved,
-- so the usual case costs what a batch does and k refusals cost k searches. The outcome is that of posting one after another,
-- because the law checks every running balance; a journal that posts a hold is on its own, for the law lets go what a set
-- posts of holds before it looks at the set.
CREATE OR REPLACE FUNCTION ledger_post_each(
    p_keep boolean, p_is_eager boolean, p_book bigint, p_booked_at timestamptz, p_from integer, p_to integer,
    p_ids uuid[], p_keys text[], p_hashes bytea[], p_actors text[], p_kinds text[], p_value_on date[],
    p_causes text[], p_narratives text[], p_entry_counts smallint[], p_reversal_of uuid[], p_holds uuid[],
    e_journal integer[], e_position smallint[], e_account bigint[], e_amount numeric[], e_moved numeric[], e_turn integer[]
) RETURNS TABLE (ordinal integer, journal_id uuid, is_known boolean, refusal jsonb)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    halfway integer := (p_from + p_to) / 2;
    holds uuid[] := array_remove(p_holds[p_from:p_to], NULL);
    state text;
    rule text;
    message text;
    detail text;
    why jsonb;
BEGIN
    IF p_from = p_to OR cardinality(holds) = 0 THEN
        BEGIN
            RETURN QUERY
                SELECT r.ordinal, r.journal_id, true, NULL::jsonb
                  FROM ledger_post(p_is_eager, p_book, p_booked_at, p_from, p_to, p_ids, p_keys, p_hashes, p_actors, p_kinds,
                                   p_value_on, p_causes, p_narratives, p_entry_counts, p_reversal_of, p_holds, e_journal,
                                   e_position, e_account, e_amount, e_moved, e_turn) r;
            RETURN;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, rule = CONSTRAINT_NAME, message = MESSAGE_TEXT,
                                    detail = PG_EXCEPTION_DETAIL;
            IF NOT ledger_is_refusal(state, rule) AND NOT (p_is_eager AND rule = 'ledger_key_pkey') THEN
                RAISE;
            END IF;
        END;
    END IF;
    IF rule = 'ledger_key_pkey' THEN
        RETURN QUERY
            SELECT r.* FROM ledger_post_each(p_keep, false, p_book, p_booked_at, p_from, p_to, p_ids, p_keys, p_hashes,
                                             p_actors, p_kinds, p_value_on, p_causes, p_narratives, p_entry_counts,
                                             p_reversal_of, p_holds, e_journal, e_position, e_account, e_amount, e_moved,
                                             e_turn) r;
        RETURN;
    END IF;
    IF p_from = p_to THEN
        why := CASE WHEN state = 'LB010' THEN detail::jsonb
                    ELSE jsonb_build_object('state', state, 'rule', rule, 'message', message, 'detail', detail) END;
        IF p_keep THEN
            PERFORM ledger_keep_refusal(p_book, p_keys[p_from], p_hashes[p_from], why);
        END IF;
        RETURN QUERY SELECT p_from, NULL::uuid, state = 'LB010', why;
        RETURN;
    END IF;
    -- Held until the end, and over all of this range, so that the halves cannot lock against another batch's order.
    PERFORM 1 FROM ledger_hold WHERE id = ANY (holds) ORDER BY id FOR NO KEY UPDATE;
    PERFORM 1 FROM ledger_balance b
      WHERE b.account_id = ANY (ledger_accounts_of(e_journal, e_account, p_from, p_to))
      ORDER BY b.account_id FOR NO KEY UPDATE;
    RETURN QUERY
        SELECT r.* FROM ledger_post_each(p_keep, p_is_eager, p_book, p_booked_at, p_from, halfway, p_ids, p_keys, p_hashes,
                                         p_actors, p_kinds, p_value_on, p_causes, p_narratives, p_entry_counts,
                                         p_reversal_of, p_holds, e_journal, e_position, e_account, e_amount, e_moved,
                                         e_turn) r;
    RETURN QUERY
        SELECT r.* FROM ledger_post_each(p_keep, p_is_eager, p_book, p_booked_at, halfway + 1, p_to, p_ids, p_keys, p_hashes,
                                         p_actors, p_kinds, p_value_on, p_causes, p_narratives, p_entry_counts,
                                         p_reversal_of, p_holds, e_journal, e_position, e_account, e_amount, e_moved,
                                         e_turn) r;
END $$;

-- Keep a refusal under its key, unless the key was answered before.
CREATE OR REPLACE FUNCTION ledger_keep_refusal(p_book bigint, p_key text, p_hash bytea, p_why jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO ledger_key (book_id, key, body_hash, refusal)
    SELECT p_book, p_key, p_hash, p_why WHERE p_why->>'state' NOT IN ('LB005', 'LB010') ON CONFLICT DO NOTHING
$$;
