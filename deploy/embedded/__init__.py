"""A real PostgreSQL and a real Valkey without installation, for development, tests and the demonstration.

`DATABASE_URL` and `BROKER_URL` replace both in production. Everything that lasts is under one state folder
(`LOMBARD_STATE_DIR`, else `.dev/` beside `manage.py`); its sockets are the only doors, no port is opened.

- `places`      where files and sockets are, worked out without touching anything
- `postgres`    one cluster: create, start, adopt, stop
- `valkey`      one broker: start, adopt, stop
- `services`    both of them, shared by every process that uses the same state folder
- `temporary`   both of them for one process, removed with all they wrote
- `supervisor`  web, worker and scheduler as children, with readiness and an orderly stop

A server outlives a process that is killed. The next one adopts it, and whoever leaves last stops it: each
user holds a shared file lock, which the kernel drops with the process, so no count can go stale.
"""
