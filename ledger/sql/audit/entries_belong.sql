-- Every entry belongs to a journal and to an account of the journal's book.
SELECT 'entry ' || e.id,
       CASE WHEN j.id IS NULL THEN format('its journal %s does not exist', e.journal_id)
            WHEN c.id IS NULL THEN format('its account %s does not exist', e.account_id)
            ELSE format('account %s is in another book than journal %s', c.id, j.id) END
  FROM ledger_entry e
  LEFT JOIN ledger_journal j ON j.id = e.journal_id
  LEFT JOIN ledger_account c ON c.id = e.account_id
 WHERE j.id IS NULL OR c.id IS NULL OR c.book_id <> j.book_id
