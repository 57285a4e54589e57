"""A PostgreSQL server of the tests' own: a temporary folder, an unprivileged user, a free port, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

HOW = "PostgreSQL's programs are missing: apt-get install postgresql"


def programs() -> Path | None:
    """The folder with initdb, where there is one."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    path = shutil.which("initdb")
    return Path(path).parent if path else None


class Server:
    """`with Server() as server: ... server.dsn ...`"""

    def __init__(self) -> None:
        folder = programs()
        assert folder is not None, HOW
        self._bin = folder
        self._user = self._plain_user()
        self.folder = Path(tempfile.mkdtemp(prefix="numberactive-pg-"))
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self._data = self.folder / "data"
        self.port = _free_port()
        self._run(
            "initdb", "-D", str(self._data), "-U", "owner", "-A", "trust", "--no-sync", "-E", "UTF8"
        )
        rules = (
            self._data / "pg_hba.conf"
        )  # one role that needs its password, before the others that need none
        rules.write_text("host all locked all scram-sha-256\n" + rules.read_text())

    @staticmethod
    def _plain_user() -> pwd.struct_passwd | None:
        """The server refuses to run as root."""
        if os.geteuid() != 0:
            return None
        for name in ("postgres", "nobody"):
            try:
                return pwd.getpwnam(name)
            except KeyError:
                continue
        return None

    def _run(self, program: str, *arguments: str) -> None:
        who = (
            {}
            if self._user is None
            else {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        )
        done = subprocess.run(
            [str(self._bin / program), *arguments],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            **who,
        )
        assert done.returncode == 0, done.stderr

    @property
    def dsn(self) -> str:
        """Where it is, with a password that means nothing."""
        return f"postgresql://owner:made-up-password@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=on"
        self._run(
            "pg_ctl",
            "-D",
            str(self._data),
            "-w",
            "-l",
            str(self.folder / "log"),
            "-o",
            options,
            "start",
        )

    def stop(self, mode: str = "fast") -> None:
        """Stop it; "immediate" is a crash."""
        self._run("pg_ctl", "-D", str(self._data), "-w", "-m", mode, "stop")

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)


def _free_port() -> int:
    """Below the range from which the system takes ports for its own connections."""
    for port in range(20_000 + os.getpid() % 5000, 32_000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("no free port")
