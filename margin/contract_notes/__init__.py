"""Contract notes: what a client is told on paper of each day's sales in one instrument (Cap. 571Q).

A note is made from the same fill records as the journals, numbered without a gap for each firm and year, and never
changed: what has to be put right is issued again as the next version, which names the one before. The words are kept as
text with their hash, the paper as it was issued with its own; one release makes the same paper of them, byte for byte.
"""
