-- L18 in every isolation. A transaction that looked before a closing goes on seeing the period open where its snapshot stays;
-- it asks for the book's row, which a closing has changed since, and PostgreSQL refuses it as not serializable.
CREATE OR REPLACE FUNCTION ledger_entry_sees_closings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM ledger_book ORDER BY id FOR SHARE;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER ledger_entry_sees_closings BEFORE INSERT ON ledger_entry
    FOR EACH STATEMENT WHEN (current_setting('transaction_isolation') IN ('repeatable read', 'serializable'))
    EXECUTE FUNCTION ledger_entry_sees_closings();

SELECT ledger_guard_partition(j.inhrelid::regclass::text, e.inhrelid::regclass::text)
  FROM pg_inherits j JOIN pg_inherits e
    ON replace(e.inhrelid::regclass::text, 'ledger_entry_', '') = replace(j.inhrelid::regclass::text, 'ledger_journal_', '')
 WHERE j.inhparent = 'ledger_journal'::regclass AND e.inhparent = 'ledger_entry'::regclass;
