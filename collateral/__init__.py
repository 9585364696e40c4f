"""What is pledged and what it is worth.

Instruments and their prices, exchange rates and lending haircuts, and the one valuation kernel that turns
them into margin value. Imports the ledger, knows no loan. Haircuts are proposals until a second person
approves them; a virtual asset's is never below 60%, here and in the database.
"""
