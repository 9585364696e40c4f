-- Periods: a book is closed through a day, so that nothing is booked there any more, and reopened, by two people each time.
--
--   L18 a book's periods close and reopen only by the last change that two people decided: closing goes forward and only over
--       days that are over, reopening backward
--   L19 a change once proposed stays what it is, and what stood in the books at a closing is written down by the law itself,
--       while nothing can be booked

-- What accounts of one asset come to: both sides, how many accounts and entries, and a hash over every account's balance.
CREATE OR REPLACE FUNCTION ledger_asset_figures(p_accounts bigint[], p_nets numeric[], p_entries numeric) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object(
               'debit_atoms', coalesce(sum(t.net) FILTER (WHERE t.net > 0), 0)::text,
               'credit_atoms', coalesce(-sum(t.net) FILTER (WHERE t.net < 0), 0)::text,
               'accounts', count(*), 'entries', p_entries,
               'hash', encode(sha256(convert_to(
                   string_agg(t.account_id || ':' || t.net, ',' ORDER BY t.account_id), 'UTF8')), 'hex'))
      FROM unnest(p_accounts, p_nets) AS t(account_id, net)
$$;

-- Whether a closing is in force: what was closed by it was not reopened since.
CREATE OR REPLACE FUNCTION ledger_period_stands(c ledger_periodchange) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT c.kind = 'close' AND c.number IS NOT NULL
       AND NOT EXISTS (SELECT FROM ledger_periodchange r
                        WHERE r.book_id = c.book_id AND r.number > c.number AND r.kind = 'reopen'
                          AND coalesce(r.through, '-infinity') < c.through)
$$;

-- What a book's accounts come to at the end of each of `p_through`, by value date, as one object per day with the assets by
-- code. Reads every entry up to the last of these days once: so the audit makes anew what closings wrote down.
CREATE OR REPLACE FUNCTION ledger_trial_balances(p_book bigint, p_through date[])
RETURNS TABLE (through date, figures jsonb) LANGUAGE sql STABLE AS $$
    WITH days AS MATERIALIZED (
        SELECT d.through, row_number() OVER (ORDER BY d.through) - 1 AS number
          FROM (SELECT DISTINCT unnest(p_through) AS through) d
    ), moved AS MATERIALIZED (
        SELECT e.account_id, sum(e.amount_atoms) AS amount, count(*) AS entries,
               width_bucket(j.value_on, (SELECT array_agg(d.through + 1 ORDER BY d.through) FROM days d)) AS number
          FROM ledger_journal j JOIN ledger_entry e ON e.journal_id = j.id
         WHERE j.book_id = p_book AND j.value_on <= (SELECT max(d.through) FROM days d)
         GROUP BY e.account_id, 4
    ), standing AS (
        SELECT d.through, c.asset_id, m.account_id, trim_scale(sum(m.amount)) AS net, sum(m.entries) AS entries
          FROM days d JOIN moved m ON m.number <= d.number JOIN ledger_account c ON c.id = m.account_id
         GROUP BY d.through, c.asset_id, m.account_id
    ), totals AS (
        SELECT t.through, s.code,
               ledger_asset_figures(array_agg(t.account_id), array_agg(t.net), sum(t.entries)) AS figures
          FROM standing t JOIN ledger_asset s ON s.id = t.asset_id
         GROUP BY t.through, s.code
    )
    SELECT d.through, coalesce(jsonb_object_agg(t.code, t.figures) FILTER (WHERE t.code IS NOT NULL), '{}')
      FROM days d LEFT JOIN totals t ON t.through = d.through
     GROUP BY d.through
$$;

CREATE OR REPLACE FUNCTION ledger_periodchange_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.approval <> 'proposed' THEN
        RAISE EXCEPTION 'a closing or reopening is proposed before it is approved' USING ERRCODE = 'LB018';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER ledger_periodchange_begins BEFORE INSERT ON ledger_periodchange
    FOR EACH ROW EXECUTE FUNCTION ledger_periodchange_begins();

CREATE OR REPLACE FUNCTION ledger_periodchange_law() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    decision CONSTANT text[] := ARRAY['approval', 'checker_id', 'checked_at'];
BEGIN
    IF to_jsonb(NEW) - decision IS DISTINCT FROM to_jsonb(OLD) - decision
       OR (OLD.approval <> 'proposed' AND to_jsonb(NEW) IS DISTINCT FROM to_jsonb(OLD))
    THEN
        RAISE EXCEPTION 'change of periods % was proposed and is decided as it stands, once', OLD.id USING ERRCODE = 'LB018';
    END IF;
    IF OLD.approval <> 'proposed' OR NEW.approval <> 'approved' THEN
        RETURN NEW;
    END IF;
    -- A transaction that looked before it waits would not see what it waited for.
    IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
        RAISE EXCEPTION 'periods close and reopen in read committed isolation' USING ERRCODE = 'LB018';
    END IF;
    -- Postings under way end first; later ones wait, and then see the period closed.
    LOCK TABLE ledger_entry IN SHARE ROW EXCLUSIVE MODE;
    SELECT closed_through INTO NEW.closed_before FROM ledger_book WHERE id = NEW.book_id FOR NO KEY UPDATE;
    IF NOT (CASE NEW.kind
           WHEN 'close' THEN NEW.through > coalesce(NEW.closed_before, '-infinity')
                             AND NEW.through < (NEW.checked_at AT TIME ZONE 'Asia/Hong_Kong')::date
           ELSE NEW.closed_before IS NOT NULL AND coalesce(NEW.through, '-infinity') < NEW.closed_before END)
    THEN
        RAISE EXCEPTION 'periods closed through % cannot % to %', NEW.closed_before, NEW.kind, NEW.through
            USING ERRCODE = 'LB018', DETAIL = json_build_object('closed_through', NEW.closed_before)::text;
    END IF;
    NEW.number := coalesce((SELECT max(number) FROM ledger_periodchange WHERE book_id = NEW.book_id), 0) + 1;
    IF NEW.kind = 'close' THEN
        NEW.figures := ledger_write_down(NEW.id, NEW.book_id, NEW.closed_before, NEW.through);
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER ledger_periodchange_law BEFORE UPDATE ON ledger_periodchange
    FOR EACH ROW EXECUTE FUNCTION ledger_periodchange_law();
CREATE OR REPLACE TRIGGER ledger_periodchange_stays BEFORE DELETE OR TRUNCATE ON ledger_periodchange
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

CREATE OR REPLACE FUNCTION ledger_periodchange_applies() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ledger_book SET closed_through = NEW.through WHERE id = NEW.book_id;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER ledger_periodchange_applies AFTER UPDATE OF approval ON ledger_periodchange
    FOR EACH ROW WHEN (OLD.approval = 'proposed' AND NEW.approval = 'approved')
    EXECUTE FUNCTION ledger_periodchange_applies();

-- The last change leads from where the book stands to where it goes. Once it was followed it does so no more, because no
-- change leads to where it started.
CREATE OR REPLACE FUNCTION ledger_book_period_law() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NOT coalesce((
        SELECT p.through IS NOT DISTINCT FROM NEW.closed_through AND p.closed_before IS NOT DISTINCT FROM OLD.closed_through
          FROM ledger_periodchange p WHERE p.book_id = NEW.id AND p.number IS NOT NULL
         ORDER BY p.number DESC LIMIT 1), false)
    THEN
        RAISE EXCEPTION 'the periods of book % close and reopen only by two people', NEW.code USING ERRCODE = 'LB018';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER ledger_book_period_law BEFORE UPDATE OF closed_through ON ledger_book
    FOR EACH ROW WHEN (OLD.closed_through IS DISTINCT FROM NEW.closed_through) EXECUTE FUNCTION ledger_book_period_law();
CREATE OR REPLACE TRIGGER ledger_book_begins_open BEFORE INSERT ON ledger_book
    FOR EACH ROW WHEN (NEW.closed_through IS NOT NULL) EXECUTE FUNCTION ledger_book_period_law();

-- reverse --
DROP TRIGGER ledger_book_begins_open ON ledger_book;
DROP TRIGGER ledger_book_period_law ON ledger_book;
DROP FUNCTION ledger_book_period_law();
DROP TRIGGER ledger_periodchange_applies ON ledger_periodchange;
DROP FUNCTION ledger_periodchange_applies();
DROP TRIGGER ledger_periodchange_stays ON ledger_periodchange;
DROP TRIGGER ledger_periodchange_law ON ledger_periodchange;
DROP FUNCTION ledger_periodchange_law();
DROP TRIGGER ledger_periodchange_begins ON ledger_periodchange;
DROP FUNCTION ledger_periodchange_begins();
DROP FUNCTION ledger_trial_balances(bigint, date[]);
DROP FUNCTION ledger_period_stands(ledger_periodchange);
DROP FUNCTION ledger_asset_figures(bigint[], numeric[], numeric);
