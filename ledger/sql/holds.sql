-- Holds: an amount reserved between two accounts until it is posted, released or expired.
--
--   L13 what is held of a balance is the sum of its active holds, and counts against its bounds
--   L14 a hold is posted only by journals that name it, between its two accounts and never beyond its amount
--   L15 a hold that ended stays ended, and what it was placed for never changes
--
-- Locks are taken in the order holds (by id), then balances (by account).

CREATE OR REPLACE FUNCTION ledger_hold_outstanding(p_state text, p_amount atoms, p_posted atoms) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$ SELECT CASE WHEN p_state = 'active' THEN p_amount - p_posted ELSE 0 END $$;

-- Move what is held of balances, locked in order. A bound that has no room is named; of several, one to be debited.
CREATE OR REPLACE FUNCTION ledger_move_held(p_accounts bigint[], p_debits numeric[], p_credits numeric[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    broken record;
BEGIN
    PERFORM 1 FROM ledger_balance WHERE account_id = ANY (p_accounts) ORDER BY account_id FOR NO KEY UPDATE;
    SELECT c.id, b.net_atoms AS net, m.debit, m.credit, json_build_object(
               'account', c.id, 'amount', (m.debit + m.credit)::text, 'balance', b.net_atoms::text,
               'held', CASE WHEN m.debit > 0 THEN b.held_debit_atoms ELSE b.held_credit_atoms END::text,
               'owner', c.owner, 'role', c.role, 'asset', s.code, 'location', coalesce(l.code, ''))::text AS detail
      INTO broken
      FROM (SELECT account, sum(debit) AS debit, sum(credit) AS credit
              FROM unnest(p_accounts, p_debits, p_credits) AS u(account, debit, credit) GROUP BY account) m
      JOIN ledger_balance b ON b.account_id = m.account
      JOIN ledger_account c ON c.id = m.account
      JOIN ledger_asset s ON s.id = c.asset_id
      LEFT JOIN ledger_location l ON l.id = c.location_id
     WHERE (m.credit > 0 AND b.net_atoms - b.held_credit_atoms - m.credit < b.floor_atoms)
        OR (m.debit > 0 AND b.net_atoms + b.held_debit_atoms + m.debit > b.ceiling_atoms)
     ORDER BY m.debit = 0, c.id
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'account % has no room to hold that', broken.id USING ERRCODE = 'LB002', DETAIL = broken.detail;
    END IF;
    UPDATE ledger_balance b
       SET held_debit_atoms = b.held_debit_atoms + m.debit, held_credit_atoms = b.held_credit_atoms + m.credit
      FROM (SELECT account, sum(debit) AS debit, sum(credit) AS credit
              FROM unnest(p_accounts, p_debits, p_credits) AS u(account, debit, credit) GROUP BY account) m
     WHERE b.account_id = m.account AND (m.debit <> 0 OR m.credit <> 0);
END $$;

-- A group is placed in one statement and named after its first hold, so nothing can join it later. The balances are locked
-- before the accounts are looked at, for a freeze and a closing take the same lock: whoever comes second sees the first.
CREATE OR REPLACE FUNCTION ledger_hold_placed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    broken record;
BEGIN
    PERFORM 1 FROM ledger_balance
      WHERE account_id IN (SELECT debit_account_id FROM placed UNION SELECT credit_account_id FROM placed)
      ORDER BY account_id FOR NO KEY UPDATE;
    SELECT h.id, CASE WHEN d.closed_at IS NOT NULL THEN d.id WHEN c.closed_at IS NOT NULL THEN c.id END AS closed,
           CASE WHEN d.freeze IN ('all', 'debit') THEN d.id WHEN c.freeze IN ('all', 'credit') THEN c.id END AS frozen
      INTO broken
      FROM placed h
      LEFT JOIN ledger_account d ON d.id = h.debit_account_id
      LEFT JOIN ledger_account c ON c.id = h.credit_account_id
     WHERE NOT coalesce(h.state = 'active' AND h.posted_atoms = 0 AND h.ended_at IS NULL
                        AND (h.expires_at IS NULL OR h.expires_at > h.placed_at)
                        AND d.id <> c.id AND d.book_id = h.book_id AND c.book_id = h.book_id AND d.asset_id = c.asset_id
                        AND d.stock_location_id IS NOT DISTINCT FROM c.stock_location_id
                        AND d.freeze NOT IN ('all', 'debit') AND c.freeze NOT IN ('all', 'credit')
                        AND d.closed_at IS NULL AND c.closed_at IS NULL, false)
     LIMIT 1;
    IF FOUND AND broken.closed IS NOT NULL THEN
        RAISE EXCEPTION 'hold % is on an account that is closed', broken.id
            USING ERRCODE = 'LB009', DETAIL = json_build_object('account', broken.closed)::text;
    ELSIF FOUND AND broken.frozen IS NOT NULL THEN
        RAISE EXCEPTION 'hold % is on an account that is frozen', broken.id
            USING ERRCODE = 'LB004', DETAIL = json_build_object('account', broken.frozen)::text;
    ELSIF FOUND THEN
        RAISE EXCEPTION 'hold % is not one between two accounts of one asset, place and book', broken.id
            USING ERRCODE = 'LB012';
    END IF;
    SELECT group_id INTO broken
      FROM placed
     GROUP BY group_id
    HAVING min(position) <> 1 OR max(position) <> count(*) OR count(DISTINCT position) <> count(*)
        OR NOT bool_and((position = 1) = (id = group_id))
        OR count(DISTINCT (book_id, idempotency_key, body_hash, coalesce(expires_at, 'infinity'))) > 1
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'group % is not placed whole, under one key and with one end', broken.group_id
            USING ERRCODE = 'LB012';
    END IF;
    PERFORM ledger_move_held(array_agg(u.account ORDER BY u.account), array_agg(u.debit ORDER BY u.account),
                             array_agg(u.credit ORDER BY u.account))
       FROM (SELECT debit_account_id AS account, amount_atoms::numeric AS debit, 0::numeric AS credit FROM placed
              UNION ALL SELECT credit_account_id, 0, amount_atoms FROM placed) u;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER ledger_hold_placed AFTER INSERT ON ledger_hold
    REFERENCING NEW TABLE AS placed FOR EACH STATEMENT EXECUTE FUNCTION ledger_hold_placed();

-- L14, L15: from active a hold may grow what is posted (only by the entry law) or end; nothing else changes. It expires no
-- earlier than it was to.
CREATE OR REPLACE FUNCTION ledger_hold_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.book_id, OLD.group_id, OLD.position, OLD.idempotency_key, OLD.body_hash, OLD.debit_account_id,
        OLD.credit_account_id, OLD.amount_atoms, OLD.placed_at, OLD.expires_at, OLD.actor, OLD.reason)
       IS DISTINCT FROM
       (NEW.id, NEW.book_id, NEW.group_id, NEW.position, NEW.idempotency_key, NEW.body_hash, NEW.debit_account_id,
        NEW.credit_account_id, NEW.amount_atoms, NEW.placed_at, NEW.expires_at, NEW.actor, NEW.reason)
       OR OLD.state <> 'active'
       OR (NEW.posted_atoms <> OLD.posted_atoms AND (pg_trigger_depth() < 2 OR NEW.posted_atoms < OLD.posted_atoms))
       OR (NEW.state = 'posted') <> (NEW.posted_atoms = NEW.amount_atoms)
       OR (NEW.state = 'active') <> (NEW.ended_at IS NULL)
       OR (NEW.state = 'expired' AND coalesce(NEW.expires_at > NEW.ended_at, true))
    THEN
        RAISE EXCEPTION 'hold % is % and cannot become %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'LB013', DETAIL = json_build_object('hold', OLD.id, 'state', OLD.state)::text;
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER ledger_hold_changes BEFORE UPDATE ON ledger_hold
    FOR EACH ROW EXECUTE FUNCTION ledger_hold_changes();

-- L15: what is left of a group is let go together, or not at all.
CREATE OR REPLACE FUNCTION ledger_hold_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    broken record;
BEGIN
    SELECT n.id, n.state INTO broken
      FROM became n JOIN was o USING (id)
     WHERE o.state = 'active' AND n.state IN ('released', 'expired')
       AND EXISTS (SELECT FROM ledger_hold h WHERE h.group_id = n.group_id AND h.state = 'active')
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'hold % cannot become % without the rest of its group', broken.id, broken.state
            USING ERRCODE = 'LB013', DETAIL = json_build_object('hold', broken.id, 'state', 'active')::text;
    END IF;
    PERFORM ledger_move_held(array_agg(u.account ORDER BY u.account), array_agg(u.debit ORDER BY u.account),
                             array_agg(u.credit ORDER BY u.account))
       FROM (SELECT w.debit_account_id, w.credit_account_id,
                    ledger_hold_outstanding(w.state, w.amount_atoms, w.posted_atoms)
                    - ledger_hold_outstanding(o.state, o.amount_atoms, o.posted_atoms) AS change
               FROM was o JOIN became w USING (id)) d
       CROSS JOIN LATERAL (VALUES (d.debit_account_id, d.change, 0::numeric), (d.credit_account_id, 0::numeric, d.change))
             AS u(account, debit, credit);
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER ledger_hold_changed AFTER UPDATE ON ledger_hold
    REFERENCING OLD TABLE AS was NEW TABLE AS became FOR EACH STATEMENT EXECUTE FUNCTION ledger_hold_changed();
CREATE OR REPLACE TRIGGER ledger_hold_stays BEFORE DELETE OR TRUNCATE ON ledger_hold
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- Called by the entry law for journals just booked: count what they post on the holds they name.
CREATE OR REPLACE FUNCTION ledger_post_holds(p_journals uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    broken record;
BEGIN
    PERFORM 1 FROM ledger_hold h
      WHERE h.id IN (SELECT hold_id FROM ledger_journal WHERE id = ANY (p_journals)) ORDER BY h.id FOR NO KEY UPDATE;
    SELECT j.id, j.hold_id, h.state, h.amount_atoms - h.posted_atoms AS outstanding INTO broken
      FROM ledger_journal j
      LEFT JOIN ledger_hold h ON h.id = j.hold_id AND h.book_id = j.book_id
     WHERE j.id = ANY (p_journals) AND j.hold_id IS NOT NULL
       AND NOT coalesce(h.state = 'active' AND (h.expires_at IS NULL OR h.expires_at > j.booked_at) AND j.entry_count = 2
                        AND (SELECT bool_and(e.account_id = CASE WHEN e.amount_atoms > 0 THEN h.debit_account_id
                                                                 ELSE h.credit_account_id END)
                               FROM ledger_entry e WHERE e.journal_id = j.id)
                        AND h.amount_atoms - h.posted_atoms >= (
                            SELECT sum(e.amount_atoms) FROM ledger_journal o JOIN ledger_entry e ON e.journal_id = o.id
                             WHERE o.id = ANY (p_journals) AND o.hold_id = h.id AND e.amount_atoms > 0), false)
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal % is not a posting of hold %, of which % atoms are left', broken.id, broken.hold_id,
            broken.outstanding USING ERRCODE = 'LB013',
            DETAIL = json_build_object('hold', broken.hold_id, 'state', broken.state, 'outstanding',
                                       broken.outstanding::text)::text;
    END IF;
    UPDATE ledger_hold h
       SET posted_atoms = h.posted_atoms + p.amount,
           state = CASE WHEN h.posted_atoms + p.amount = h.amount_atoms THEN 'posted' ELSE h.state END,
           ended_at = CASE WHEN h.posted_atoms + p.amount = h.amount_atoms THEN p.booked_at END
      FROM (SELECT j.hold_id, sum(e.amount_atoms) AS amount, max(j.booked_at) AS booked_at
              FROM ledger_journal j JOIN ledger_entry e ON e.journal_id = j.id
             WHERE j.id = ANY (p_journals) AND j.hold_id IS NOT NULL AND e.amount_atoms > 0
             GROUP BY j.hold_id) p
     WHERE h.id = p.hold_id;
END $$;

-- A journal locks the hold it posts as it is inserted, which is before its posting locks balances. Without it the entry law
-- would lock the hold last, and a release that holds the hold and wants a balance would lie across it.
CREATE OR REPLACE FUNCTION ledger_lock_hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM ledger_hold WHERE id = NEW.hold_id FOR NO KEY UPDATE;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER ledger_journal_locks_hold BEFORE INSERT ON ledger_journal
    FOR EACH ROW WHEN (NEW.hold_id IS NOT NULL) EXECUTE FUNCTION ledger_lock_hold();
