-- What stood on accounts as of a value date, known at a block: exact, and the same for ever.
--
-- Of each value date the last row known at the block carries the sum of that day, so a look-up by index per day is enough
-- however many blocks there were; a second one only where the day was added to after the block.
--
-- Without a block everything committed is known: the entries not sealed yet are added, on the same snapshot. A balance
-- counts its entries in its version and the projection those that are sealed, so the difference is how many are to be
-- found, from the newest back; what is sealed need not be the first so many, because of two transactions that overlap the
-- one that began first may book last.
--
-- Gives how many entries of the account were known, over all value dates: its version.
CREATE OR REPLACE FUNCTION ledger_as_of(p_accounts bigint[], p_value_on date, p_block bigint)
RETURNS TABLE (account_id bigint, net_atoms numeric, version bigint)
LANGUAGE sql STABLE AS $$
    SELECT a.id, coalesce(sealed.net, 0) + coalesce(tail.net, 0), coalesce(known.entries, 0) + coalesce(tail.entries, 0)
      FROM unnest(p_accounts) AS a(id)
      CROSS JOIN LATERAL (
          WITH RECURSIVE day AS (
              (SELECT d.value_on, d.block, d.total_atoms FROM ledger_balance_day d
                WHERE d.account_id = a.id AND d.value_on <= p_value_on ORDER BY d.value_on DESC, d.block DESC LIMIT 1)
               UNION ALL
              SELECT n.value_on, n.block, n.total_atoms
                FROM day CROSS JOIN LATERAL (SELECT d.value_on, d.block, d.total_atoms FROM ledger_balance_day d
                                              WHERE d.account_id = a.id AND d.value_on < day.value_on
                                              ORDER BY d.value_on DESC, d.block DESC LIMIT 1) n
          )
          SELECT sum(CASE WHEN p_block IS NULL OR day.block <= p_block THEN day.total_atoms
                          ELSE (SELECT d.total_atoms FROM ledger_balance_day d
                                 WHERE d.account_id = a.id AND d.value_on = day.value_on AND d.block <= p_block
                                 ORDER BY d.block DESC LIMIT 1) END) AS net
            FROM day
      ) sealed
      LEFT JOIN LATERAL (
          SELECT d.known_entries AS entries FROM ledger_balance_day d
           WHERE d.account_id = a.id AND d.block <= coalesce(p_block, 9223372036854775807)
           ORDER BY d.block DESC LIMIT 1
      ) known ON true
      LEFT JOIN LATERAL (
          SELECT sum(u.amount_atoms) FILTER (WHERE u.value_on <= p_value_on) AS net, count(*) AS entries
            FROM (SELECT e.amount_atoms, j.value_on
                    FROM ledger_entry e JOIN ledger_journal j ON j.id = e.journal_id
                   WHERE p_block IS NULL AND e.account_id = a.id
                     AND j.transaction >= coalesce((SELECT k.to_transaction FROM ledger_account c
                                                      JOIN ledger_block k ON k.book_id = c.book_id
                                                     WHERE c.id = a.id ORDER BY k.number DESC LIMIT 1), '0'::xid8)
                   ORDER BY e.version DESC
                   LIMIT (SELECT greatest(b.version - coalesce(known.entries, 0), 0) FROM ledger_balance b WHERE b.account_id = a.id)) u
      ) tail ON true
$$;
