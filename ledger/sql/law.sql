-- The law of the book, held by PostgreSQL whoever writes.
--
--   L1  entries of a journal sum to zero per asset, and per location for what lies somewhere
--   L2  entries of a journal are inserted in one statement, in the transaction of their journal
--   L3  a balance moves only by its entries, one version each, and with what is held stays within its bounds
--   L4  what is reversed of a journal, whole or in parts, is opposite to it and never more than it
--   L5  journals, entries and keys are never updated, deleted or truncated
--   L6  what identifies an asset, a location, an account or a balance never changes
--   L7  a frozen account takes no entry on the frozen side, a closed one none
--   L12 nothing is booked at a value date in a closed period
--
-- Holds stand in holds.sql. Errors of class LB carry the values that broke the rule in DETAIL as JSON.

-- What was booked against journal `p_reversed` must be opposite to it on every account, and no more than it.
-- Gives nothing when it is so, else 'opposite' or 'twice'.
CREATE OR REPLACE FUNCTION ledger_reversal_fault(p_reversed uuid, p_reversal uuid) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN bool_or(r.own * coalesce(o.amount, 0) > 0 OR o.amount IS NULL OR abs(r.own) > abs(o.amount)
                             OR b.book_id IS DISTINCT FROM n.book_id)
                THEN 'opposite'
                WHEN bool_or(abs(r.total) > abs(o.amount)) THEN 'twice' END
      FROM (SELECT e.account_id, sum(e.amount_atoms) AS total,
                   coalesce(sum(e.amount_atoms) FILTER (WHERE j.id = p_reversal), 0) AS own
              FROM ledger_journal j JOIN ledger_entry e ON e.journal_id = j.id
             WHERE j.reversal_of_id = p_reversed
             GROUP BY e.account_id) r
      LEFT JOIN (SELECT account_id, sum(amount_atoms) AS amount FROM ledger_entry
                  WHERE journal_id = p_reversed GROUP BY account_id) o USING (account_id)
      LEFT JOIN ledger_journal b ON b.id = p_reversed
      LEFT JOIN ledger_journal n ON n.id = p_reversal
$$;

-- Nothing is booked while a period closes: the closing waits for postings under way, and later ones see it closed.
CREATE OR REPLACE FUNCTION ledger_close_period() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE ledger_entry IN SHARE ROW EXCLUSIVE MODE;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER ledger_book_closes_alone BEFORE UPDATE OF closed_through ON ledger_book
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_close_period();

-- Whatever the size of the set: one pass that moves the balances and gives back what it moved, and one look at the journals.
-- Plans are kept for the session and serve one journal and thousands alike, so joins are look-ups by key, but where a set says
-- otherwise; and months are named by parameters: the executor then opens only the one that is meant.
CREATE OR REPLACE FUNCTION ledger_entry_law() RETURNS trigger LANGUAGE plpgsql
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_nestloop = on AS $$
DECLARE
    ids uuid[];
    counts bigint[];
    touched bigint[];
    is_set boolean;
    nets_to_zero boolean;
    journals record;
    moved record;
BEGIN
    SELECT ARRAY[a.journal_id], EXISTS (SELECT FROM added o WHERE o.journal_id <> a.journal_id) INTO ids, is_set
      FROM added a LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;

    -- L2, L12 and what else the journals ask for.
    IF is_set THEN
        SELECT array_agg(g.journal_id), array_agg(g.entries), bool_and(g.total = 0),
               (SELECT array_agg(DISTINCT account_id) FROM added)
          INTO ids, counts, nets_to_zero, touched
          FROM (SELECT journal_id, sum(amount_atoms) AS total,
                       CASE WHEN min(position) = 1 AND max(position) = count(*) THEN count(*) ELSE 0 END AS entries
                  FROM added GROUP BY journal_id ORDER BY journal_id) g;
        SELECT CASE WHEN array_agg(j.id ORDER BY j.id) = ids AND array_agg(j.entry_count::bigint ORDER BY j.id) = counts
                    THEN count(*) END AS whole,
               min(j.book_id) AS book_low, max(j.book_id) AS book_high, bool_or(j.hold_id IS NOT NULL) AS have_hold,
               bool_or(j.reversal_of_id IS NOT NULL) AS have_reversal,
               bool_or(j.value_on <= (SELECT closed_through FROM ledger_book b WHERE b.id = j.book_id)) AS are_late
          INTO journals
          FROM ledger_journal j
         WHERE j.transaction = pg_current_xact_id() AND j.id BETWEEN ids[1] AND ids[cardinality(ids)];
        IF journals.whole IS NULL THEN
            -- Other journals of this transaction lie among these.
            SELECT count(*) FILTER (WHERE j.transaction = pg_current_xact_id() AND j.entry_count = a.entries) AS whole,
                   min(j.book_id) AS book_low, max(j.book_id) AS book_high, bool_or(j.hold_id IS NOT NULL) AS have_hold,
                   bool_or(j.reversal_of_id IS NOT NULL) AS have_reversal,
                   bool_or(j.value_on <= (SELECT closed_through FROM ledger_book b WHERE b.id = j.book_id)) AS are_late
              INTO journals
              FROM unnest(ids, counts) AS a(id, entries)
              JOIN ledger_journal j ON j.id = a.id AND j.id BETWEEN ids[1] AND ids[cardinality(ids)];
        END IF;
    ELSE
        SELECT (j.transaction = pg_current_xact_id())::integer::bigint AS whole, j.book_id AS book_low,
               j.book_id AS book_high, j.hold_id IS NOT NULL AS have_hold, j.reversal_of_id IS NOT NULL AS have_reversal,
               j.value_on <= (SELECT closed_through FROM ledger_book b WHERE b.id = j.book_id) AS are_late,
               j.entry_count::bigint AS entry_count
          INTO journals
          FROM ledger_journal j WHERE j.id = ids[1];
    END IF;
    IF journals.whole IS DISTINCT FROM cardinality(ids) THEN
        PERFORM ledger_say_what_is_not_whole(ids, counts);
    END IF;
    IF journals.are_late THEN
        RAISE EXCEPTION 'the value date lies in a closed period' USING ERRCODE = 'LB008',
            DETAIL = (SELECT json_build_object('closed_through', max(closed_through)) FROM ledger_book
                       WHERE id BETWEEN journals.book_low AND journals.book_high);
    END IF;

    -- What a journal posts of a hold is let go before the balance moves, for both count in the same bound.
    IF journals.have_hold THEN
        PERFORM ledger_post_holds(ids);
    END IF;

    -- L3, L7: versions continue, every entry states the running sum, and none leaves the bounds, so that a batch cannot
    -- dip below a floor on its way. One update per balance; what it gives back must balance (L1) and be of one book.
    IF is_set THEN
        -- Sizes are alike here, so these joins are by hash.
        PERFORM set_config('enable_nestloop', 'off', true), set_config('enable_hashjoin', 'on', true);
        WITH moved_now AS (
            UPDATE ledger_balance b
               SET net_atoms = b.net_atoms + m.total, version = b.version + m.entries
              FROM (SELECT r.account_id, sum(r.amount_atoms) AS total, count(*) AS entries,
                           min(r.version) AS first_version, max(r.version) AS last_version,
                           min(r.opening) AS opening_min, max(r.opening) AS opening_max,
                           min(r.balance_atoms) AS lowest, max(r.balance_atoms) AS highest,
                           bool_or(r.amount_atoms > 0) AS is_debited, bool_or(r.amount_atoms < 0) AS is_credited,
                           bool_or(r.is_again) AS is_again
                      FROM (SELECT n.account_id, n.amount_atoms, n.balance_atoms, n.version,
                                   n.balance_atoms - sum(n.amount_atoms) OVER following AS opening,
                                   n.journal_id = lag(n.journal_id) OVER following AS is_again
                              FROM added n
                            WINDOW following AS (PARTITION BY n.account_id ORDER BY n.version ROWS UNBOUNDED PRECEDING)) r
                     GROUP BY r.account_id) m
             WHERE b.account_id = ANY (touched) AND b.account_id = m.account_id
               AND m.first_version = b.version + 1
               AND m.last_version = b.version + m.entries
               AND m.opening_min = b.net_atoms
               AND m.opening_max = b.net_atoms
               AND m.is_again IS NOT TRUE
               AND (b.floor_atoms IS NULL OR m.lowest - b.held_credit_atoms >= b.floor_atoms)
               AND (b.ceiling_atoms IS NULL OR m.highest + b.held_debit_atoms <= b.ceiling_atoms)
               AND (b.freeze = 'none' OR (b.freeze = 'debit' AND NOT m.is_debited)
                    OR (b.freeze = 'credit' AND NOT m.is_credited))
            RETURNING b.account_id, m.entries, b.asset_id, b.stock_location_id AS place_id, b.book_id
        )
        SELECT array_agg(account_id) AS accounts, array_agg(asset_id) AS assets, array_agg(place_id) AS places,
               coalesce(sum(entries), 0)::bigint AS entries, (SELECT count(*) FROM added) AS entry_count,
               nets_to_zero AND min(asset_id) = max(asset_id) AND count(place_id) IN (0, count(*))
               AND min(place_id) IS NOT DISTINCT FROM max(place_id) AS balances,
               coalesce(bool_and(book_id = journals.book_low), true) AS is_one_book
          INTO moved
          FROM moved_now;
        IF moved.balances IS NOT TRUE THEN
            moved.balances := NOT EXISTS (
                SELECT FROM added n JOIN unnest(moved.accounts, moved.assets, moved.places) AS a(id, asset, place)
                         ON a.id = n.account_id
                 GROUP BY n.journal_id, a.asset, a.place HAVING sum(n.amount_atoms) <> 0);
        END IF;
        PERFORM set_config('enable_nestloop', 'on', true), set_config('enable_hashjoin', 'off', true);
    ELSE
        WITH moved_now AS (
            UPDATE ledger_balance b
               SET net_atoms = n.balance_atoms, version = n.version
              FROM added n
             WHERE b.account_id = n.account_id
               AND n.version = b.version + 1
               AND n.balance_atoms = b.net_atoms + n.amount_atoms
               AND (b.floor_atoms IS NULL OR n.balance_atoms - b.held_credit_atoms >= b.floor_atoms)
               AND (b.ceiling_atoms IS NULL OR n.balance_atoms + b.held_debit_atoms <= b.ceiling_atoms)
               AND (b.freeze = 'none' OR (b.freeze = 'debit' AND n.amount_atoms < 0)
                    OR (b.freeze = 'credit' AND n.amount_atoms > 0))
            RETURNING b.asset_id, b.stock_location_id AS place_id, b.book_id, n.amount_atoms, n.position
        )
        SELECT count(*) AS entries, journals.entry_count,
               min(position) = 1 AND max(position) = count(*) AND count(*) = journals.entry_count AS is_whole,
               sum(amount_atoms) = 0 AND min(asset_id) = max(asset_id) AND count(place_id) IN (0, count(*))
               AND min(place_id) IS NOT DISTINCT FROM max(place_id) AS balances,
               coalesce(min(book_id) = journals.book_low AND max(book_id) = journals.book_low, true) AS is_one_book
          INTO moved
          FROM moved_now;
        IF moved.is_whole IS NOT TRUE THEN
            counts := (SELECT ARRAY[CASE WHEN min(position) = 1 AND max(position) = count(*) THEN count(*) ELSE 0 END]
                         FROM added);
            IF counts[1] <> journals.entry_count THEN
                PERFORM ledger_say_what_is_not_whole(ids, counts);
            END IF;
        END IF;
        IF moved.balances IS NOT TRUE THEN
            moved.balances := NOT EXISTS (
                SELECT FROM added n JOIN ledger_balance b ON b.account_id = n.account_id
                 GROUP BY b.asset_id, b.stock_location_id HAVING sum(n.amount_atoms) <> 0);
        END IF;
    END IF;
    IF NOT moved.balances OR moved.entries <> moved.entry_count THEN
        PERFORM ledger_say_what_does_not_balance((SELECT array_agg(journal_id) FROM added),
            (SELECT array_agg(account_id) FROM added), (SELECT array_agg(amount_atoms) FROM added));
    END IF;
    IF moved.entries <> moved.entry_count THEN
        PERFORM ledger_say_what_stands_in_the_way(
            (SELECT array_agg(account_id ORDER BY account_id, version) FROM added),
            (SELECT array_agg(amount_atoms ORDER BY account_id, version) FROM added),
            (SELECT array_agg(balance_atoms ORDER BY account_id, version) FROM added));
    END IF;
    IF NOT moved.is_one_book OR journals.book_low < journals.book_high THEN
        PERFORM ledger_check_books(ids);
    END IF;

    -- L4, after the balances are locked: two part reversals of one journal cannot both find room.
    IF journals.have_reversal THEN
        PERFORM ledger_check_reversals(ids);
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION ledger_say_what_is_not_whole(p_journals uuid[], p_counts bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries of journal % must come whole, once, with their journal and in its book',
        (SELECT a.id FROM unnest(p_journals, p_counts) AS a(id, entries)
          WHERE NOT EXISTS (SELECT FROM ledger_journal j WHERE j.id = a.id AND j.transaction = pg_current_xact_id()
                               AND j.entry_count = a.entries) LIMIT 1)
        USING ERRCODE = 'LB003';
END $$;

-- Sets of several books are rare enough to be looked at entry by entry.
CREATE OR REPLACE FUNCTION ledger_check_books(p_journals uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    broken uuid;
BEGIN
    SELECT j.id INTO broken
      FROM ledger_journal j JOIN ledger_entry e ON e.journal_id = j.id JOIN ledger_account c ON c.id = e.account_id
     WHERE j.id = ANY (p_journals) AND c.book_id <> j.book_id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entries of journal % must come whole, once, with their journal and in its book', broken
            USING ERRCODE = 'LB003';
    END IF;
END $$;

CREATE OR REPLACE FUNCTION ledger_say_what_does_not_balance(p_journals uuid[], p_accounts bigint[], p_amounts atoms[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    broken record;
BEGIN
    SELECT n.journal INTO broken FROM unnest(p_journals, p_accounts) AS n(journal, account)
     WHERE NOT EXISTS (SELECT FROM ledger_account c WHERE c.id = n.account) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entries of journal % must come whole, once, with their journal and in its book', broken.journal
            USING ERRCODE = 'LB003';
    END IF;
    SELECT n.journal, s.code AS asset_code, l.code AS location_code, sum(n.amount) AS total INTO broken
      FROM unnest(p_journals, p_accounts, p_amounts) AS n(journal, account, amount)
      JOIN ledger_account c ON c.id = n.account
      JOIN ledger_asset s ON s.id = c.asset_id
      LEFT JOIN ledger_location l ON l.id = c.stock_location_id
     GROUP BY n.journal, s.code, l.code
    HAVING sum(n.amount) <> 0
     ORDER BY n.journal
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal % does not balance in % at %: off by % atoms',
            broken.journal, broken.asset_code, coalesce(broken.location_code, 'any location'), broken.total
            USING ERRCODE = 'LB001';
    END IF;
END $$;

CREATE OR REPLACE FUNCTION ledger_check_reversals(p_journals uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    broken record;
BEGIN
    SELECT j.id, j.reversal_of_id, ledger_reversal_fault(j.reversal_of_id, j.id) AS fault INTO broken
      FROM ledger_journal j
     WHERE j.id = ANY (p_journals) AND j.reversal_of_id IS NOT NULL
       AND ledger_reversal_fault(j.reversal_of_id, j.id) IS NOT NULL
     LIMIT 1;
    IF FOUND AND broken.fault = 'twice' THEN
        RAISE EXCEPTION 'journal % was reversed already', broken.reversal_of_id
            USING ERRCODE = 'LB007', DETAIL = json_build_object('journal', broken.reversal_of_id)::text;
    ELSIF FOUND THEN
        RAISE EXCEPTION 'journal % is not the exact opposite of journal % or of a part of it', broken.id,
            broken.reversal_of_id USING ERRCODE = 'LB006';
    END IF;
END $$;

-- Name the first account of a refused set that is closed, frozen or would leave its bounds.
CREATE OR REPLACE FUNCTION ledger_say_what_stands_in_the_way(p_accounts bigint[], p_amounts atoms[], p_balances atoms[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    broken record;
BEGIN
    -- An account that was opened for this very posting is gone once it is refused, so its key goes along.
    SELECT n.account, n.amount, n.balance, b.freeze, b.freeze = 'closed' AS is_closed,
           n.balance - b.held_credit_atoms < b.floor_atoms OR n.balance + b.held_debit_atoms > b.ceiling_atoms AS is_outside,
           json_build_object('account', c.id, 'amount', n.amount::text, 'balance', n.balance::text,
                             'held', CASE WHEN n.amount > 0 THEN b.held_debit_atoms ELSE b.held_credit_atoms END::text,
                             'owner', c.owner, 'role', c.role, 'asset', s.code, 'location', coalesce(l.code, ''))::text
           AS detail
      INTO broken
      FROM unnest(p_accounts, p_amounts, p_balances) AS n(account, amount, balance)
      JOIN ledger_balance b ON b.account_id = n.account
      JOIN ledger_account c ON c.id = n.account
      JOIN ledger_asset s ON s.id = c.asset_id
      LEFT JOIN ledger_location l ON l.id = c.location_id
     WHERE n.balance - b.held_credit_atoms < b.floor_atoms
        OR n.balance + b.held_debit_atoms > b.ceiling_atoms
        OR b.freeze IN ('all', 'closed')
        OR (b.freeze <> 'none' AND (b.freeze = 'debit') = (n.amount > 0))
     ORDER BY c.owner = '', c.id
     LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'entries do not continue the balances they move' USING ERRCODE = 'LB003';
    ELSIF broken.is_outside THEN
        RAISE EXCEPTION 'account % would stand at % atoms, outside its bounds', broken.account, broken.balance
            USING ERRCODE = 'LB002', DETAIL = broken.detail;
    ELSIF broken.is_closed THEN
        RAISE EXCEPTION 'account % is closed', broken.account USING ERRCODE = 'LB009', DETAIL = broken.detail;
    END IF;
    RAISE EXCEPTION 'account % is frozen (%)', broken.account, broken.freeze USING ERRCODE = 'LB004', DETAIL = broken.detail;
END $$;

CREATE OR REPLACE TRIGGER ledger_entry_law AFTER INSERT ON ledger_entry
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger_entry_law();

-- L5
CREATE OR REPLACE TRIGGER ledger_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE OR REPLACE TRIGGER ledger_journal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_journal
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE OR REPLACE TRIGGER ledger_key_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_key
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- L2: a journal that named a later transaction could be given its entries then. A row trigger is inherited by partitions.
CREATE OR REPLACE TRIGGER ledger_journal_transaction_is_own
    BEFORE INSERT ON ledger_journal FOR EACH ROW WHEN (NEW.transaction IS DISTINCT FROM pg_current_xact_id())
    EXECUTE FUNCTION core_refuse_other_transaction();

-- L3: nobody but the law's own triggers moves a balance or what is held of it, and a new one starts at nothing.
CREATE OR REPLACE FUNCTION ledger_balance_law() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND pg_trigger_depth() > 1 THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'a balance moves only by its entries: % on ledger_balance is refused', TG_OP
        USING ERRCODE = 'LB003';
END $$;

CREATE OR REPLACE TRIGGER ledger_balance_moves_by_entries
    BEFORE UPDATE OF net_atoms, version, held_debit_atoms, held_credit_atoms ON ledger_balance
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_balance_law();
CREATE OR REPLACE TRIGGER ledger_balance_starts_empty BEFORE INSERT ON ledger_balance
    FOR EACH ROW WHEN (NEW.net_atoms <> 0 OR NEW.version <> 0 OR NEW.held_debit_atoms <> 0 OR NEW.held_credit_atoms <> 0)
    EXECUTE FUNCTION ledger_balance_law();
CREATE OR REPLACE TRIGGER ledger_balance_stays BEFORE DELETE OR TRUNCATE ON ledger_balance
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_balance_law();

-- A balance carries what the law asks of its account, so that an entry costs one look-up: the account's identity, and which
-- side is stopped. The account is where these are set; here they only follow.
CREATE OR REPLACE FUNCTION ledger_balance_follows_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT c.book_id, c.asset_id, c.stock_location_id, CASE WHEN c.closed_at IS NULL THEN c.freeze ELSE 'closed' END
      INTO NEW.book_id, NEW.asset_id, NEW.stock_location_id, NEW.freeze
      FROM ledger_account c WHERE c.id = NEW.account_id;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER ledger_balance_follows_account
    BEFORE INSERT OR UPDATE OF book_id, asset_id, stock_location_id, "freeze" ON ledger_balance
    FOR EACH ROW EXECUTE FUNCTION ledger_balance_follows_account();

CREATE OR REPLACE FUNCTION ledger_account_stops_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ledger_balance SET "freeze" = NEW.freeze WHERE account_id = NEW.id;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER ledger_account_stops_balance AFTER UPDATE OF "freeze", closed_at ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION ledger_account_stops_balance();

-- L6
CREATE OR REPLACE FUNCTION ledger_refuse_new_identity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what identifies a row of % never changes', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE OR REPLACE TRIGGER ledger_asset_identity BEFORE UPDATE ON ledger_asset FOR EACH ROW
    WHEN ((OLD.code, OLD.kind, OLD.scale, OLD.is_located) IS DISTINCT FROM (NEW.code, NEW.kind, NEW.scale, NEW.is_located))
    EXECUTE FUNCTION ledger_refuse_new_identity();
CREATE OR REPLACE TRIGGER ledger_location_identity BEFORE UPDATE ON ledger_location FOR EACH ROW
    WHEN (OLD.code IS DISTINCT FROM NEW.code)
    EXECUTE FUNCTION ledger_refuse_new_identity();
CREATE OR REPLACE TRIGGER ledger_account_identity BEFORE UPDATE ON ledger_account FOR EACH ROW
    WHEN ((OLD.book_id, OLD.owner, OLD.role, OLD.asset_id, OLD.location_id, OLD.slot, OLD.stock_location_id)
          IS DISTINCT FROM
          (NEW.book_id, NEW.owner, NEW.role, NEW.asset_id, NEW.location_id, NEW.slot, NEW.stock_location_id))
    EXECUTE FUNCTION ledger_refuse_new_identity();
CREATE OR REPLACE TRIGGER ledger_balance_identity BEFORE UPDATE OF account_id ON ledger_balance
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_new_identity();

-- What lies somewhere balances per location, so its account carries the location a second time, for the law to group by.
CREATE OR REPLACE FUNCTION ledger_account_has_place() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT is_located FROM ledger_asset WHERE id = NEW.asset_id) THEN
        IF NEW.location_id IS NULL THEN
            RAISE EXCEPTION 'an account of asset % needs a location', NEW.asset_id USING ERRCODE = 'check_violation';
        END IF;
        NEW.stock_location_id := NEW.location_id;
    ELSE
        NEW.stock_location_id := NULL;
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER ledger_account_has_place BEFORE INSERT ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION ledger_account_has_place();

-- L7: an account is closed when nothing stands on it and nothing is held, under the lock that postings take.
CREATE OR REPLACE FUNCTION ledger_account_closes_empty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM ledger_balance WHERE account_id = NEW.id FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM ledger_balance WHERE account_id = NEW.id
                AND (net_atoms <> 0 OR held_debit_atoms <> 0 OR held_credit_atoms <> 0)) THEN
        RAISE EXCEPTION 'account % is not empty', NEW.id USING ERRCODE = 'LB011';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER ledger_account_closes_empty BEFORE UPDATE OF closed_at ON ledger_account
    FOR EACH ROW WHEN (NEW.closed_at IS NOT NULL) EXECUTE FUNCTION ledger_account_closes_empty();

-- A month made before the law stood gets its triggers now.
SELECT ledger_guard_partition(j.inhrelid::regclass::text, e.inhrelid::regclass::text)
  FROM pg_inherits j JOIN pg_inherits e
    ON replace(e.inhrelid::regclass::text, 'ledger_entry_', '') = replace(j.inhrelid::regclass::text, 'ledger_journal_', '')
 WHERE j.inhparent = 'ledger_journal'::regclass AND e.inhparent = 'ledger_entry'::regclass;

