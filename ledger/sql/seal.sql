-- The seal: blocks of what was committed, chained by hash, and what each block added to each account and value date.
--
--   L20  blocks of a book are numbered without a gap, each begins where the last one ends and names its hash, and none
--        reaches past the oldest transaction still open, so that nothing can slip into it later
--   L21  blocks and what they added are never changed or taken away
--   L22  what a block added to each account and value date comes with the block, once and whole
--   L23  a book keeps its code, which its blocks and proofs name
--
-- The block of a journal follows from its transaction, so no row is written per journal; a block keeps the hashes of its
-- journals in their order, so that a proof need not hash them again and the audit can name the one that was altered. All books are sealed to one
-- horizon in one commit; a book without journals gets no block, and its next one begins where its last one ended.
--
-- Bytes are PostgreSQL's binary form of a row of texts (record_send): the number of fields, then for each the type (25),
-- the length (-1 for none) and the text in UTF-8. Hashes are SHA-256 with a first byte that tells what is hashed: 0 a
-- journal, 1 a node of the tree, 2 a block (RFC 9162, section 2.1). `ledger/seal/verify.py` makes the same without us.

CREATE OR REPLACE FUNCTION ledger_utc(p_moment timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT to_char(p_moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- The hash of every journal whose transaction lies in [p_from, p_to), of one book or of all, with all it says.
-- Entries are found along the journals' ids, which are dense in time, so one or two months are opened.
CREATE OR REPLACE FUNCTION ledger_leaves(p_from xid8, p_to xid8, p_book bigint DEFAULT NULL)
RETURNS TABLE (book_id bigint, transaction xid8, journal_id uuid, entry_count smallint, leaf bytea)
LANGUAGE plpgsql STABLE SET client_encoding = 'UTF8' SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
    low uuid;
    high uuid;
BEGIN
    SELECT min(j.id::text COLLATE "C"), max(j.id::text COLLATE "C") INTO low, high
      FROM ledger_journal j WHERE j.transaction >= p_from AND j.transaction < p_to;
    -- A journal's lines are looked up by its key, whatever the planner thinks a month without statistics holds.
    RETURN QUERY
        SELECT t.book_id, t.transaction, t.id, t.entry_count::smallint,
               sha256('\x00'::bytea || record_send(ROW(
                   t.id::text, t.transaction::text, b.code::text, t.idempotency_key::text, t.kind::text,
                   to_char(t.value_on, 'YYYY-MM-DD'), ledger_utc(t.booked_at), t.actor::text, t.cause::text,
                   t.narrative::text, t.reversal_of_id::text, t.hold_id::text, t.entry_count::text))
                   || coalesce(lines.bytes, ''::bytea))
          FROM ledger_journal t
          LEFT JOIN ledger_book b ON b.id = t.book_id
         CROSS JOIN LATERAL (
                SELECT string_agg(record_send(ROW(
                           e.position::text, c.role::text, s.code::text, s.scale::text, c.owner::text,
                           coalesce(l.code, '')::text, c.slot::text, trunc(e.amount_atoms)::text, trunc(e.balance_atoms)::text,
                           e.version::text)), ''::bytea ORDER BY e.position) AS bytes
                  FROM ledger_entry e
                  LEFT JOIN ledger_account c ON c.id = e.account_id
                  LEFT JOIN ledger_asset s ON s.id = c.asset_id
                  LEFT JOIN ledger_location l ON l.id = c.location_id
                 WHERE e.journal_id = t.id AND e.journal_id BETWEEN low AND high) lines
         WHERE t.transaction >= p_from AND t.transaction < p_to AND t.id BETWEEN low AND high
           AND (p_book IS NULL OR t.book_id = p_book);
END $$;

-- The root of the tree over hashes in their order: neighbours are joined, and one without a neighbour moves up as it is.
CREATE OR REPLACE FUNCTION ledger_merkle_root(p_leaves bytea[]) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    nodes bytea[] := p_leaves;
BEGIN
    WHILE cardinality(nodes) > 1 LOOP
        SELECT array_agg(CASE WHEN n.other IS NULL THEN n.one ELSE sha256('\x01'::bytea || n.one || n.other) END ORDER BY n.place)
          INTO nodes
          FROM (SELECT o.place, o.node AS one, lead(o.node) OVER (ORDER BY o.place) AS other
                  FROM unnest(nodes) WITH ORDINALITY AS o(node, place)) n
         WHERE n.place % 2 = 1;
    END LOOP;
    RETURN nodes[1];
END $$;

CREATE OR REPLACE FUNCTION ledger_block_hash(b ledger_block) RETURNS bytea LANGUAGE sql STABLE SET client_encoding = 'UTF8' AS $$
    SELECT sha256('\x02'::bytea || record_send(ROW(
        k.code::text, b.number::text, b.from_transaction::text, b.to_transaction::text, b.journal_count::text,
        b.entry_count::text, encode(b.merkle_root, 'hex'), encode(b.previous_hash, 'hex'), ledger_utc(b.sealed_at))))
      FROM ledger_book k WHERE k.id = b.book_id
$$;

-- L20: the law itself chains a block, whoever brings it.
CREATE OR REPLACE FUNCTION ledger_block_law() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last ledger_block;
BEGIN
    SELECT * INTO last FROM ledger_block WHERE book_id = NEW.book_id ORDER BY number DESC LIMIT 1;
    NEW.transaction := pg_current_xact_id();
    NEW.number := coalesce(last.number, 0) + 1;
    NEW.from_transaction := coalesce(last.to_transaction, '0'::xid8);
    NEW.previous_hash := coalesce(last.hash, decode(repeat('00', 32), 'hex'));
    NEW.hash := ledger_block_hash(NEW);
    IF NEW.to_transaction <= NEW.from_transaction OR NEW.to_transaction > pg_snapshot_xmin(pg_current_snapshot()) THEN
        RAISE EXCEPTION 'block % of book % would end at transaction %, not between % and the oldest open one', NEW.number,
            NEW.book_id, NEW.to_transaction, NEW.from_transaction USING ERRCODE = 'LB020';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER ledger_block_law BEFORE INSERT ON ledger_block
    FOR EACH ROW EXECUTE FUNCTION ledger_block_law();

-- L21
CREATE OR REPLACE TRIGGER ledger_block_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_block
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE OR REPLACE TRIGGER ledger_balance_day_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_balance_day
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- L22: what is known at a block is known for ever, so nothing is added to a block of an earlier commit.
CREATE OR REPLACE FUNCTION ledger_balance_day_law() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM (SELECT c.book_id, n.block, sum(n.entry_count) AS entries
                              FROM added n LEFT JOIN ledger_account c ON c.id = n.account_id GROUP BY c.book_id, n.block) g
                 LEFT JOIN ledger_block b ON b.book_id = g.book_id AND b.number = g.block
                WHERE b.id IS NULL OR b.transaction <> pg_current_xact_id() OR b.entry_count <> g.entries) THEN
        RAISE EXCEPTION 'what a block added comes whole and with its block' USING ERRCODE = 'LB021';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER ledger_balance_day_law AFTER INSERT ON ledger_balance_day
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger_balance_day_law();

-- L23
CREATE OR REPLACE TRIGGER ledger_book_identity BEFORE UPDATE ON ledger_book FOR EACH ROW
    WHEN (OLD.code IS DISTINCT FROM NEW.code) EXECUTE FUNCTION ledger_refuse_new_identity();

-- Seal what was committed since the last time, of every book, up to about `p_most` journals. Gives the blocks it made.
CREATE OR REPLACE FUNCTION ledger_seal(p_sealed_at timestamptz, p_most integer)
RETURNS SETOF ledger_block
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET work_mem = '64MB'
    SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    sealed_to xid8;
    horizon xid8;
    cut xid8;
    made bigint[];
    low uuid;
    high uuid;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('ledger_seal', 0));
    horizon := pg_snapshot_xmin(pg_current_snapshot());
    SELECT coalesce(max(to_transaction), '0'::xid8) INTO sealed_to FROM ledger_block;
    IF horizon < sealed_to THEN
        RAISE EXCEPTION 'transactions are counted anew: sealed to %, the oldest open one is %', sealed_to, horizon
            USING ERRCODE = 'LB022', HINT = 'A logical dump was restored into another cluster; restore a physical copy.';
    END IF;
    -- A transaction is never cut in two, so a run ends with the one that holds its last journal.
    SELECT least((j.transaction::text::numeric + 1)::text::xid8, horizon) INTO cut FROM ledger_journal j
     WHERE j.transaction >= sealed_to AND j.transaction < horizon
     ORDER BY j.transaction, j.id OFFSET p_most - 1 LIMIT 1;
    cut := coalesce(cut, horizon);

    WITH content AS MATERIALIZED (
        SELECT l.book_id, count(*) AS journals, sum(l.entry_count) AS entries,
               array_agg(l.leaf ORDER BY l.transaction, l.journal_id) AS leaves
          FROM ledger_leaves(sealed_to, cut) l
         GROUP BY l.book_id
    ), block AS (
        INSERT INTO ledger_block (book_id, to_transaction, journal_count, entry_count, merkle_root, sealed_at)
        SELECT c.book_id, cut, c.journals, c.entries, ledger_merkle_root(c.leaves), p_sealed_at
          FROM content c ORDER BY c.book_id
        RETURNING id, book_id
    ), kept AS (
        INSERT INTO ledger_block_leaves (block_id, leaves)
        SELECT b.id, c.leaves FROM block b JOIN content c ON c.book_id = b.book_id
    )
    SELECT array_agg(id) INTO made FROM block;
    IF made IS NULL THEN
        RETURN;
    END IF;

    SELECT min(j.id::text COLLATE "C"), max(j.id::text COLLATE "C") INTO low, high
      FROM ledger_journal j WHERE j.transaction >= sealed_to AND j.transaction < cut;
    INSERT INTO ledger_balance_day (account_id, value_on, block, delta_atoms, total_atoms, entry_count, known_entries,
                                    first_version, last_version)
    SELECT g.account_id, g.value_on, b.number, g.delta, coalesce(p.total_atoms, 0) + g.delta, g.entries,
           coalesce(k.known_entries, 0) + sum(g.entries) OVER (PARTITION BY g.account_id), g.first_version, g.last_version
      FROM (SELECT e.account_id, j.value_on, j.book_id, sum(e.amount_atoms) AS delta, count(*) AS entries,
                   min(e.version) AS first_version, max(e.version) AS last_version
              FROM ledger_journal j
              JOIN ledger_entry e ON e.journal_id = j.id AND e.journal_id BETWEEN low AND high
             WHERE j.transaction >= sealed_to AND j.transaction < cut AND j.id BETWEEN low AND high
             GROUP BY e.account_id, j.value_on, j.book_id) g
      JOIN ledger_block b ON b.book_id = g.book_id AND b.id = ANY (made)
      LEFT JOIN LATERAL (SELECT d.total_atoms FROM ledger_balance_day d
                          WHERE d.account_id = g.account_id AND d.value_on = g.value_on
                          ORDER BY d.block DESC LIMIT 1) p ON true
      LEFT JOIN LATERAL (SELECT d.known_entries FROM ledger_balance_day d
                          WHERE d.account_id = g.account_id ORDER BY d.block DESC LIMIT 1) k ON true
     ORDER BY g.account_id, g.value_on;

    RETURN QUERY SELECT * FROM ledger_block WHERE id = ANY (made) ORDER BY id;
END $$;
