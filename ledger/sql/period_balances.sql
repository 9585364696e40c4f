-- What stood on each account at a closing: written down with its figures, so that the next closing reads only what came after.
--
-- Nothing is booked at a value date that is closed, so the balances of the last closing still in force are those of its day,
-- and what was booked at a later value date makes the rest. L19 holds for them as for the figures. They are believed only as
-- long as they make the figures that were written down with them; else a closing reads everything from the beginning.

CREATE OR REPLACE FUNCTION ledger_period_balance_law() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'balances are written down by the closing of a period alone' USING ERRCODE = 'LB018';
END $$;

CREATE OR REPLACE TRIGGER ledger_period_balance_by_closing BEFORE INSERT ON ledger_period_balance
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION ledger_period_balance_law();
CREATE OR REPLACE TRIGGER ledger_period_balance_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_period_balance
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- The figures that the balances written down at a closing make.
CREATE OR REPLACE FUNCTION ledger_period_figures(p_change bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_object_agg(g.code, g.figures), '{}')
      FROM (SELECT s.code, ledger_asset_figures(array_agg(b.account_id), array_agg(trim_scale(b.net_atoms)),
                                                sum(b.entry_count)) AS figures
              FROM ledger_period_balance b
              JOIN ledger_account c ON c.id = b.account_id
              JOIN ledger_asset s ON s.id = c.asset_id
             WHERE b.change_id = p_change
             GROUP BY s.code) g
$$;

-- What was booked on each account of a book at value dates after `p_after`, through `p_through`. Journals are found along
-- their value dates, of which each stretch of a month knows the first and the last, and entries along their journals' ids.
CREATE OR REPLACE FUNCTION ledger_moved(p_book bigint, p_after date, p_through date)
RETURNS TABLE (account_id bigint, net_atoms numeric, entry_count bigint)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
    low uuid;
    high uuid;
BEGIN
    SELECT min(j.id::text COLLATE "C"), max(j.id::text COLLATE "C") INTO low, high FROM ledger_journal j
     WHERE j.book_id = p_book AND j.value_on > p_after AND j.value_on <= p_through;
    RETURN QUERY
        SELECT e.account_id, sum(e.amount_atoms), count(*)
          FROM ledger_journal j JOIN ledger_entry e ON e.journal_id = j.id AND e.journal_id BETWEEN low AND high
         WHERE j.book_id = p_book AND j.value_on > p_after AND j.value_on <= p_through AND j.id BETWEEN low AND high
         GROUP BY e.account_id;
END $$;

-- Write down what stands on each account of a book at the end of `p_through`, for the closing `p_change` of what was closed
-- through `p_before`; gives the figures. Nothing can be booked meanwhile: the caller holds the lock.
CREATE OR REPLACE FUNCTION ledger_write_down(p_change bigint, p_book bigint, p_before date, p_through date) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    base record;
    is_sound boolean;
BEGIN
    SELECT c.id, c.through, c.figures INTO base FROM ledger_periodchange c
     WHERE c.book_id = p_book AND c.through <= p_before AND ledger_period_stands(c)
     ORDER BY c.through DESC, c.number DESC LIMIT 1;
    is_sound := coalesce(ledger_period_figures(base.id) = base.figures, false);
    INSERT INTO ledger_period_balance (change_id, account_id, net_atoms, entry_count)
    SELECT p_change, t.account_id, sum(t.net_atoms), sum(t.entry_count)
      FROM (SELECT b.account_id, b.net_atoms, b.entry_count FROM ledger_period_balance b
             WHERE b.change_id = base.id AND is_sound
             UNION ALL
            SELECT m.* FROM ledger_moved(p_book, CASE WHEN is_sound THEN base.through ELSE '-infinity' END, p_through) m) t
     GROUP BY t.account_id
     ORDER BY t.account_id;
    RETURN ledger_period_figures(p_change);
END $$;

-- reverse --
DROP FUNCTION ledger_write_down(bigint, bigint, date, date);
DROP FUNCTION ledger_moved(bigint, date, date);
DROP FUNCTION ledger_period_figures(bigint);
DROP TRIGGER ledger_period_balance_append_only ON ledger_period_balance;
DROP TRIGGER ledger_period_balance_by_closing ON ledger_period_balance;
DROP FUNCTION ledger_period_balance_law();
