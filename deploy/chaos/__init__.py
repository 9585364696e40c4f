"""kill -9 under load: the books survive the death of PostgreSQL, of a client and of a worker.

- `books`    the book, what each writer asks for at each step, and the dividends that keep a worker busy
- `writer`   a process that posts without end and notes what it was answered, after the answer
- `torture`  the cluster, the processes and the killer
- `verdict`  what stands in the books against what was noted

A writer that died, or whose server did, asks again for the step it has no answer for, under the same keys. So at the end
every step has an answer, and the books hold exactly what was acknowledged.
"""
