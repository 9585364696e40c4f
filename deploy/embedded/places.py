"""Where the embedded services keep their files and sockets.

Every address follows from the state folder alone, so any process can name the servers without starting them.

PostgreSQL refuses to run as root, and an unprivileged server cannot reach into root's folders. Instead of
opening those, root's cluster lives in a folder of its own under /var/lib. A socket's path has about a hundred
bytes, so a deep state folder keeps its sockets in the temporary folder.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import secrets
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from deploy.embedded.processes import EmbeddedError

ROLE: Final = "lombard"
DATABASE: Final = "lombard"
PORT: Final = 5432  # names the socket file; nothing listens on it
_SOCKET_PATH_BYTES_MAX: Final = 103
_LONGEST_SOCKET_NAME: Final = f".s.PGSQL.{PORT}"


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of one set of services; creating the value creates nothing."""

    state_dir: Path
    cluster_dir: Path
    postgres_socket_dir: Path
    valkey_socket_dir: Path

    @classmethod
    def of(cls, state_dir: Path | None = None) -> Places:
        """Places for a state folder; without one, for `LOMBARD_STATE_DIR` or `.dev/` beside `manage.py`."""
        if state_dir is None:
            project = Path(__file__).resolve().parents[2]
            state_dir = Path(os.environ.get("LOMBARD_STATE_DIR") or project / ".dev")
        state_dir = state_dir.expanduser().resolve()
        digest = hashlib.sha256(os.fsencode(state_dir)).hexdigest()[:16]
        if os.geteuid() == 0:
            home = _root_home() / digest
            return cls(state_dir, home / "postgres", home / "postgres-socket", home / "run")
        sockets = state_dir / "run"
        if len(os.fsencode(sockets / _LONGEST_SOCKET_NAME)) > _SOCKET_PATH_BYTES_MAX:
            sockets = Path(tempfile.gettempdir()) / f"lombard-{os.geteuid()}-{digest}"
        return cls(state_dir, state_dir / "postgres", sockets, sockets)

    @property
    def database_url(self) -> str:
        return self.url_of_database(DATABASE)

    def url_of_database(self, name: str, *, role: str = ROLE) -> str:
        """A URL that libpq, psycopg and Django's settings understand alike."""
        return f"postgresql://{role}@/{name}?host={quote(str(self.postgres_socket_dir))}"

    @property
    def valkey_socket(self) -> Path:
        return self.valkey_socket_dir / "valkey.sock"

    @property
    def broker_url(self) -> str:
        return f"redis+socket://{quote(str(self.valkey_socket))}"

    @property
    def valkey_dir(self) -> Path:
        return self.state_dir / "valkey"

    @property
    def logs_dir(self) -> Path:
        return self.state_dir / "logs"

    def make(self) -> None:
        """Create the folders, each closed to other people; the server's own go to the server's user."""
        _own_folder(self.state_dir)
        if os.geteuid() == 0:
            # The unprivileged server passes through these two, and reads neither.
            _own_folder(self.cluster_dir.parent.parent, mode=0o711)
            _own_folder(self.cluster_dir.parent, mode=0o711)
        for folder in (self.valkey_socket_dir, self.valkey_dir, self.logs_dir):
            _own_folder(folder)
        server = server_user()
        for folder in (self.cluster_dir, self.postgres_socket_dir):
            _own_folder(folder, owner=server)

    def secret_key(self) -> str:
        """The signing key of this state folder, made once; two processes that race get the same one."""
        path = self.state_dir / "secret_key"
        if not path.exists():
            _own_folder(self.state_dir)
            draft = path.with_name(f"secret_key.{os.getpid()}")
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_urlsafe(64))
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return path.read_text()


def server_user() -> pwd.struct_passwd | None:
    """Who PostgreSQL runs as: ourselves (None), or somebody without rights when we are root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedError(
            "PostgreSQL does not run as root and there is no user `nobody`: run as an ordinary user, "
            "or set DATABASE_URL and BROKER_URL."
        ) from None


def _root_home() -> Path:
    parent = Path("/var/lib")
    return (parent if os.access(parent, os.W_OK) else Path(tempfile.gettempdir())) / "lombard-dev"


def _own_folder(path: Path, *, mode: int = 0o700, owner: pwd.struct_passwd | None = None) -> None:
    """Create a folder, or accept one that is already ours; never touch somebody else's."""
    uid = os.geteuid() if owner is None else owner.pw_uid
    try:
        path.mkdir(parents=True, mode=mode)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {uid, os.geteuid()}:
            raise EmbeddedError(
                f"{path} belongs to somebody else: remove it, or set LOMBARD_STATE_DIR."
            ) from None
        if found.st_uid == uid:
            return
    else:
        path.chmod(mode)
    if owner is not None:
        os.chown(path, owner.pw_uid, owner.pw_gid)
