-- Journals and their entries lie in partitions by month, along the time in the journal's id (UUID version 7, RFC 9562).
--
-- Statement triggers and keys without the partition's column are not inherited, so each partition is made here with its
-- own, and nowhere else. `manage.py audit` looks for them on every partition.

-- The lowest id of a moment: 48 bits of milliseconds, then zeros.
CREATE OR REPLACE FUNCTION ledger_first_id(p_day date) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT rpad(lpad(to_hex((extract(epoch FROM p_day::timestamp) * 1000)::bigint), 12, '0'), 32, '0')::uuid
$$;

-- Make the partitions of each month from that of `p_from` to the third after that of `p_to`, where they are not yet.
-- Returns how many months were made.
CREATE OR REPLACE FUNCTION ledger_ensure_partitions(p_from date, p_to date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    month date := date_trunc('month', coalesce(p_from, p_to))::date;
    suffix text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('ledger_ensure_partitions', 0));
    WHILE month <= date_trunc('month', p_to)::date + interval '3 months' LOOP
        suffix := to_char(month, '"y"YYYY"m"MM');
        IF to_regclass('ledger_entry_' || suffix) IS NULL THEN
            made := made + 1;
            EXECUTE format('CREATE TABLE ledger_journal_%s PARTITION OF ledger_journal FOR VALUES FROM (%L) TO (%L)', suffix,
                           ledger_first_id(month), ledger_first_id((month + interval '1 month')::date));
            EXECUTE format('CREATE TABLE ledger_entry_%s PARTITION OF ledger_entry FOR VALUES FROM (%L) TO (%L)', suffix,
                           ledger_first_id(month), ledger_first_id((month + interval '1 month')::date));
            EXECUTE format('CREATE UNIQUE INDEX ledger_entry_%s_version_once ON ledger_entry_%1$s (account_id, version)',
                           suffix);
            PERFORM ledger_guard_partition('ledger_journal_' || suffix, 'ledger_entry_' || suffix);
        END IF;
        month := (month + interval '1 month')::date;
    END LOOP;
    RETURN made;
END $$;

-- Give one month the triggers of the law. Before the law stands, at the first migration, there are none to give.
CREATE OR REPLACE FUNCTION ledger_guard_partition(p_journals text, p_entries text) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    trigger record;
BEGIN
    FOR trigger IN
        SELECT pg_get_triggerdef(t.oid) AS definition, t.tgrelid::regclass::text AS parent
          FROM pg_trigger t
         WHERE t.tgrelid IN ('ledger_journal'::regclass, 'ledger_entry'::regclass)
           AND NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgtype & 1 = 0
    LOOP
        EXECUTE replace(replace(replace(trigger.definition, 'CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER'), ' ON public.', ' ON '), ' ON ' || trigger.parent || ' ', format(' ON %I ',
            CASE trigger.parent WHEN 'ledger_journal' THEN p_journals ELSE p_entries END));
    END LOOP;
END $$;

-- reverse --
DROP FUNCTION ledger_ensure_partitions(date, date);
DROP FUNCTION ledger_guard_partition(text, text);
DROP FUNCTION ledger_first_id(date);
