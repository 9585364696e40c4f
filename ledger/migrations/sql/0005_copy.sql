-- Journals keep their transaction's number, so the law that asks for the present one is made after this.
SELECT ledger_ensure_partitions(
    (SELECT min(to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0))::date
       FROM ledger_before.ledger_journal),
    current_date);

INSERT INTO ledger_journal (id, book_id, idempotency_key, body_hash, kind, value_on, booked_at, actor, cause, narrative,
                            entry_count, reversal_of_id, transaction)
SELECT id, book_id, idempotency_key, body_hash, kind, value_on, booked_at, actor, cause, narrative, entry_count,
       reversal_of_id, transaction
  FROM ledger_before.ledger_journal ORDER BY id;
INSERT INTO ledger_entry (journal_id, position, account_id, amount_atoms, balance_atoms, version)
SELECT journal_id, row_number() OVER (PARTITION BY journal_id ORDER BY id), account_id, amount_atoms, balance_atoms, version
  FROM ledger_before.ledger_entry ORDER BY id;
INSERT INTO ledger_key (book_id, key, journal_id) SELECT book_id, idempotency_key, id FROM ledger_journal;

DO $$
DECLARE
    reference record;
BEGIN
    FOR reference IN
        SELECT c.conrelid::regclass AS owner, c.conname,
               replace(pg_get_constraintdef(c.oid), 'ledger_before.', '') AS definition
          FROM pg_constraint c
         WHERE c.contype = 'f' AND c.confrelid = 'ledger_before.ledger_journal'::regclass
           AND c.conrelid <> c.confrelid AND c.conparentid = 0
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', reference.owner, reference.conname);
        EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', reference.owner, reference.conname, reference.definition);
    END LOOP;
END $$;
DROP SCHEMA ledger_before CASCADE;
DROP FUNCTION ledger_is_opposite(uuid, uuid);

-- reverse --
SELECT 1;
