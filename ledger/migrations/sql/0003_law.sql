-- The law of the book, held by PostgreSQL whoever writes.
--
--   L1  entries of a journal sum to zero per asset, and per location for what lies somewhere
--   L2  entries of a journal are inserted in one statement, in the transaction of their journal
--   L3  a balance moves only by its entries, one version each, and stays within its bounds
--   L4  a reversal is the exact opposite of what it reverses
--   L5  journals and entries are never updated, deleted or truncated
--   L6  what identifies an asset, a location, an account or a balance never changes
--   L7  a frozen account takes no entry on the frozen side
--
-- Errors of class LB carry the values that broke the rule in DETAIL as JSON.

CREATE FUNCTION ledger_is_opposite(one uuid, other uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT NOT EXISTS (SELECT 1 FROM ledger_entry WHERE journal_id IN (one, other)
                       GROUP BY account_id HAVING sum(amount_atoms) <> 0)
$$;

-- A plan is kept for the session: one made for a large batch must not read all accounts for each later single.
CREATE FUNCTION ledger_entry_law() RETURNS trigger LANGUAGE plpgsql
    SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    broken record;
    accounts_moved integer;
    balances_moved integer;
BEGIN
    -- L2: the journal exists, was written by this very transaction, and all its entries are here and were not before.
    -- L4: and when it reverses another, they are its exact opposite.
    SELECT w.journal_id, w.reversal_of_id, w.is_whole INTO broken
      FROM (SELECT a.journal_id, j.reversal_of_id,
                   coalesce(j.transaction = pg_current_xact_id()
                            AND j.entry_count = a.entries
                            AND a.has_one_book
                            AND j.book_id = a.book_id
                            AND (SELECT count(*) FROM ledger_entry e WHERE e.journal_id = a.journal_id) = a.entries,
                            false) AS is_whole
              FROM (SELECT n.journal_id, count(*) AS entries, min(c.book_id) AS book_id,
                           count(c.id) = count(*) AND min(c.book_id) = max(c.book_id) AS has_one_book
                      FROM added n LEFT JOIN ledger_account c ON c.id = n.account_id
                     GROUP BY n.journal_id) a
              LEFT JOIN ledger_journal j ON j.id = a.journal_id) w
     WHERE NOT w.is_whole
        OR (w.reversal_of_id IS NOT NULL AND NOT ledger_is_opposite(w.journal_id, w.reversal_of_id))
     LIMIT 1;
    IF FOUND AND NOT broken.is_whole THEN
        RAISE EXCEPTION 'entries of journal % must come whole, once, with their journal and in its book', broken.journal_id
            USING ERRCODE = 'LB003';
    ELSIF FOUND THEN
        RAISE EXCEPTION 'journal % is not the exact opposite of journal %', broken.journal_id, broken.reversal_of_id
            USING ERRCODE = 'LB006';
    END IF;

    -- L1
    SELECT n.journal_id, s.code AS asset_code, l.code AS location_code, sum(n.amount_atoms) AS total INTO broken
      FROM added n
      JOIN ledger_account c ON c.id = n.account_id
      JOIN ledger_asset s ON s.id = c.asset_id
      LEFT JOIN ledger_location l ON l.id = c.location_id AND s.is_located
     GROUP BY n.journal_id, s.code, l.code
    HAVING sum(n.amount_atoms) <> 0
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal % does not balance in % at %: off by % atoms',
            broken.journal_id, broken.asset_code, coalesce(broken.location_code, 'any location'), broken.total
            USING ERRCODE = 'LB001';
    END IF;

    -- L3, L7: one aggregated update per balance. Versions must continue, every entry must state the running sum, and
    -- none may leave the bounds, so that a batch cannot dip below a floor on its way.
    UPDATE ledger_balance b
       SET net_atoms = b.net_atoms + m.total, version = b.version + m.entries
      FROM (SELECT r.account_id, sum(r.amount_atoms) AS total, count(*) AS entries,
                   min(r.version) AS first_version, max(r.version) AS last_version,
                   min(r.opening) AS opening_min, max(r.opening) AS opening_max,
                   min(r.balance_atoms) AS lowest, max(r.balance_atoms) AS highest,
                   bool_or(r.amount_atoms > 0) AS is_debited, bool_or(r.amount_atoms < 0) AS is_credited
              FROM (SELECT n.account_id, n.amount_atoms, n.balance_atoms, n.version,
                           n.balance_atoms
                           - sum(n.amount_atoms) OVER (PARTITION BY n.account_id ORDER BY n.version) AS opening
                      FROM added n) r
             GROUP BY r.account_id) m
      JOIN ledger_account c ON c.id = m.account_id
     WHERE b.account_id = m.account_id
       AND m.first_version = b.version + 1
       AND m.last_version = b.version + m.entries
       AND m.opening_min = b.net_atoms
       AND m.opening_max = b.net_atoms
       AND m.lowest >= coalesce(b.floor_atoms, m.lowest)
       AND m.highest <= coalesce(b.ceiling_atoms, m.highest)
       AND (c.freeze = 'none' OR (c.freeze = 'debit' AND NOT m.is_debited) OR (c.freeze = 'credit' AND NOT m.is_credited));
    GET DIAGNOSTICS balances_moved = ROW_COUNT;
    SELECT count(DISTINCT account_id) INTO accounts_moved FROM added;
    IF balances_moved = accounts_moved THEN
        RETURN NULL;
    END IF;

    -- Something stands in the way: say what.
    SELECT n.account_id, n.amount_atoms, n.balance_atoms, c.freeze,
           n.balance_atoms < b.floor_atoms OR n.balance_atoms > b.ceiling_atoms AS is_outside INTO broken
      FROM added n
      JOIN ledger_balance b ON b.account_id = n.account_id
      JOIN ledger_account c ON c.id = n.account_id
     WHERE n.balance_atoms < b.floor_atoms
        OR n.balance_atoms > b.ceiling_atoms
        OR (c.freeze <> 'none' AND (c.freeze = 'all' OR (c.freeze = 'debit') = (n.amount_atoms > 0)))
     LIMIT 1;
    IF broken.is_outside THEN
        -- An account that was opened for this very posting is gone once it is refused, so its key goes along.
        RAISE EXCEPTION 'account % would stand at % atoms, outside its bounds', broken.account_id, broken.balance_atoms
            USING ERRCODE = 'LB002',
                  DETAIL = (SELECT json_build_object('account', c.id, 'amount', broken.amount_atoms::text,
                                                     'balance', broken.balance_atoms::text, 'owner', c.owner,
                                                     'role', c.role, 'asset', s.code, 'location', coalesce(l.code, ''))
                              FROM ledger_account c JOIN ledger_asset s ON s.id = c.asset_id
                              LEFT JOIN ledger_location l ON l.id = c.location_id
                             WHERE c.id = broken.account_id)::text;
    ELSIF broken.account_id IS NOT NULL THEN
        RAISE EXCEPTION 'account % is frozen (%)', broken.account_id, broken.freeze
            USING ERRCODE = 'LB004', DETAIL = json_build_object('account', broken.account_id)::text;
    END IF;
    RAISE EXCEPTION 'entries do not continue the balances they move' USING ERRCODE = 'LB003';
END $$;

CREATE TRIGGER ledger_entry_law AFTER INSERT ON ledger_entry
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger_entry_law();

-- L5
CREATE TRIGGER ledger_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER ledger_journal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_journal
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- L2: a journal that named a later transaction could be given its entries then.
CREATE TRIGGER ledger_journal_transaction_is_own
    BEFORE INSERT ON ledger_journal FOR EACH ROW WHEN (NEW.transaction IS DISTINCT FROM pg_current_xact_id())
    EXECUTE FUNCTION core_refuse_other_transaction();

-- L3: nobody but the entry trigger moves a balance, and a new one starts at nothing.
CREATE FUNCTION ledger_balance_law() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a balance moves only by its entries: % on ledger_balance is refused', TG_OP
        USING ERRCODE = 'LB003';
END $$;

CREATE TRIGGER ledger_balance_moves_by_entries BEFORE UPDATE OF net_atoms, version ON ledger_balance
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION ledger_balance_law();
CREATE TRIGGER ledger_balance_starts_empty BEFORE INSERT ON ledger_balance
    FOR EACH ROW WHEN (NEW.net_atoms <> 0 OR NEW.version <> 0) EXECUTE FUNCTION ledger_balance_law();
CREATE TRIGGER ledger_balance_stays BEFORE DELETE OR TRUNCATE ON ledger_balance
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_balance_law();

-- L6
CREATE FUNCTION ledger_refuse_new_identity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what identifies a row of % never changes', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER ledger_asset_identity BEFORE UPDATE ON ledger_asset FOR EACH ROW
    WHEN ((OLD.code, OLD.kind, OLD.scale, OLD.is_located) IS DISTINCT FROM (NEW.code, NEW.kind, NEW.scale, NEW.is_located))
    EXECUTE FUNCTION ledger_refuse_new_identity();
CREATE TRIGGER ledger_location_identity BEFORE UPDATE ON ledger_location FOR EACH ROW
    WHEN (OLD.code IS DISTINCT FROM NEW.code)
    EXECUTE FUNCTION ledger_refuse_new_identity();
CREATE TRIGGER ledger_account_identity BEFORE UPDATE ON ledger_account FOR EACH ROW
    WHEN ((OLD.book_id, OLD.owner, OLD.role, OLD.asset_id, OLD.location_id)
          IS DISTINCT FROM (NEW.book_id, NEW.owner, NEW.role, NEW.asset_id, NEW.location_id))
    EXECUTE FUNCTION ledger_refuse_new_identity();

CREATE TRIGGER ledger_balance_identity BEFORE UPDATE OF account_id ON ledger_balance
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_new_identity();

CREATE FUNCTION ledger_account_has_place() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.location_id IS NULL AND (SELECT is_located FROM ledger_asset WHERE id = NEW.asset_id) THEN
        RAISE EXCEPTION 'an account of asset % needs a location', NEW.asset_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER ledger_account_has_place BEFORE INSERT ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION ledger_account_has_place();

-- reverse --
DROP TRIGGER ledger_account_has_place ON ledger_account;
DROP FUNCTION ledger_account_has_place();
DROP TRIGGER ledger_balance_identity ON ledger_balance;
DROP TRIGGER ledger_account_identity ON ledger_account;
DROP TRIGGER ledger_location_identity ON ledger_location;
DROP TRIGGER ledger_asset_identity ON ledger_asset;
DROP FUNCTION ledger_refuse_new_identity();
DROP TRIGGER ledger_balance_stays ON ledger_balance;
DROP TRIGGER ledger_balance_starts_empty ON ledger_balance;
DROP TRIGGER ledger_balance_moves_by_entries ON ledger_balance;
DROP FUNCTION ledger_balance_law();
DROP TRIGGER ledger_journal_transaction_is_own ON ledger_journal;
DROP TRIGGER ledger_journal_append_only ON ledger_journal;
DROP TRIGGER ledger_entry_append_only ON ledger_entry;
DROP TRIGGER ledger_entry_law ON ledger_entry;
DROP FUNCTION ledger_entry_law();
DROP FUNCTION ledger_is_opposite(uuid, uuid);
