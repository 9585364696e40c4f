"""What a client is told of a call: worded by versioned templates, written with the change, sent after it.

A notice is a row of an outbox, in the same commit as the change it tells of. A relay hands it to its channel
and may do so twice when it dies in between: each copy carries the same id, so the receiver can tell.
"""
