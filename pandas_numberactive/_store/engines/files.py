"""The store's file and what lies beside it: made private, and missed when it is gone."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pandas_numberactive._config.readiness import data_folder
from pandas_numberactive.errors import StoreError

# Made with a store, or by its runs. Without the store they show that there was one.
TRACES = (".lock", ".workers", ".rescue", "-wal", "-journal")
RUN_TRACES = (".workers", ".rescue", "-wal")
SIDE_FILES = ("-wal", "-shm", "-journal")
TURN_POLL = 0.001  # seconds between two tries for the turn
MADE = b"made\n"  # begins PATH.lock: the store was made, and an empty file is a loss
HOLDER_AT = 16  # the byte of PATH.lock from which its last holder stands


def resolved(location: str) -> Path:
    """Return the file behind a location.

    Raises StoreError where it is no path, or a link to a file that is not there.
    """
    try:
        given = Path(location).expanduser()
        path = given.resolve()
        dangling = given.is_symlink() and not path.exists()
    except (RuntimeError, ValueError, OSError) as error:
        raise StoreError(
            f"store={location!r} is no path ({error}). Correct store=; nothing was bought."
        ) from error
    if dangling:
        raise StoreError(
            f"The store {given.name!r} is a link to {path}, which is not there. Put that file "
            "back, or correct store=. Nothing was bought."
        )
    return path


def make_private(path: Path) -> None:
    """Create the folder 0700 and the file 0600 before SQLite does, so that side files follow.

    The file is made before PATH.lock: a lock without the file means that the file is gone.
    """
    refuse_misplaced(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise StoreError(
            f"The store {path.name!r} cannot be created ({error.strerror}). Name a writable place "
            "with store=."
        ) from error
    refuse_unusable(path)


def refuse_unusable(path: Path) -> None:
    """Raise StoreError where the store's file, or a lock beside it, cannot be used as it is."""
    if path.is_dir():
        raise StoreError(f"store= names the folder {path.name!r}. Name a file in it.")
    if not os.access(path, os.W_OK):
        raise StoreError(
            f"The store {path.name!r} is read-only; nothing was bought. Name a writable one with "
            "store=."
        )
    if path.stat().st_nlink > 1:  # locks and log lie beside each name: two runs buy twice
        raise StoreError(
            f"The store {path.name!r} has a second name (a hard link), under which it could be "
            "used at the same time. Remove that name, or make a copy of the file in its place. "
            "Nothing was bought."
        )
    for end in (".lock", ".turn"):
        refuse_odd_lock(path.with_name(path.name + end))


def refuse_odd_lock(lock: Path) -> None:
    """Raise StoreError where a file that is locked is there, and cannot be opened for that."""
    if lock.exists() and not (lock.is_file() and os.access(lock, os.W_OK)):
        raise _odd_lock(lock, "it is a folder, or another user's")


def _odd_lock(lock: Path, how: str) -> StoreError:
    return StoreError(
        f"{lock.name} beside the store cannot be opened ({how}). Make it a file that you may "
        "write. Nothing was bought."
    )


def refuse_misplaced(path: Path) -> None:
    """Raise StoreError where the store's folder is missing, or its file is gone."""
    # A typo in store= would buy everything again.
    if path.parent != data_folder().resolve() and not path.parent.is_dir():
        raise StoreError(
            f"There is no folder {path.parent.name!r} for the store {path.name!r}: correct store=, "
            "or make the folder where a new store is meant. Nothing was bought."
        )
    refuse_lost(path)


def refuse_lost(path: Path) -> None:
    """Raise StoreError where a store was, and its file is gone."""
    found = _beside(path, TRACES)
    if found and not path.exists():
        raise _lost(path, "is gone", found)


def refuse_emptied(path: Path) -> None:
    """Raise StoreError if a former store's file is empty. Call it under the lock."""
    if path.stat().st_size:
        return
    found = _beside(path, RUN_TRACES)
    if was_made(path):
        found.insert(0, f"{path.name}.lock")
    if found:
        raise _lost(path, "is empty", found)


def _beside(path: Path, ends: tuple[str, ...]) -> list[str]:
    names = [path.name + end for end in ends]
    return [name for name in names if os.path.lexists(path.with_name(name))]


def holds_bytes(path: Path, end: str) -> bool:
    """Return True where the file beside the store with this end is there, and not empty."""
    beside = path.with_name(path.name + end)
    return beside.exists() and beside.stat().st_size > 0


def _lost(path: Path, how: str, found: list[str]) -> StoreError:
    beside = ", ".join(found)
    waiting = ""
    if (path.parent / f"{path.name}.rescue").exists():
        waiting = f" Paid answers wait in {path.name}.rescue: keep it."
    return StoreError(
        f"The store {path} {how}, but what lies beside it shows that it held look-ups ({beside}). "
        "Put the file back, or name it with store=. To begin an empty store here, which buys "
        f"everything again, move these away first.{waiting} Nothing was bought."
    )


def note_made(path: Path) -> None:
    """Mark beside the file that it is a store. Call it under the lock.

    On a full disk the next opening does it.
    """
    lock = _lock_file(path)
    if lock.exists() and not was_made(path):
        with contextlib.suppress(OSError), lock.open("r+b") as file:
            file.write(MADE)


def was_made(path: Path) -> bool:
    """Return True where `note_made` was called for this file."""
    lock = _lock_file(path)
    return lock.exists() and lock.read_bytes().startswith(MADE)


def _lock_file(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


NETWORK = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "smb2",
    "fuse.sshfs",
    "fuse.gvfsd-fuse",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.gcsfuse",
    "fuse.vmhgfs-fuse",  # folders of the machine around a virtual one
    "virtiofs",
    "vboxsf",
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "glusterfs",
    "gpfs",
    "lustre",
}
MOUNTS = Path("/proc/mounts")


def file_system(path: Path) -> str:
    """Return the type of the file system, where the system knows it (Linux)."""
    try:
        lines = MOUNTS.read_text(errors="surrogateescape").rstrip("\n").split("\n")
    except OSError:
        return ""
    text = str(path)
    inside = [
        (point, kind)
        for point, kind in reversed(
            [_mount(line) for line in lines if line]
        )  # the last one is on top
        if text == point or text.startswith(point.rstrip("/") + "/")
    ]
    return max(inside, default=("", ""), key=lambda mount: len(mount[0]))[1]


def _mount(line: str) -> tuple[str, str]:
    """Return the point and the type of a mount. A blank in the point is written \\040."""
    _, point, kind = line.split(" ", 3)[:3]
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), point), kind


def takes_turns(path: Path) -> bool:
    """Return True where file locks can be trusted: not on Windows, nor on a network."""
    return fcntl() is not None and file_system(path) not in NETWORK


class TurnHeldError(StoreError):
    """Another process keeps the turn to write."""

    def __init__(self, store: str, holder: str, seconds: float) -> None:
        super().__init__(
            f"{_named(holder)} has held the store {store!r} for more than {seconds:.0f} s, so that "
            f"nothing can be written: {_paused(holder)} Nothing more was asked, and what was paid "
            "is kept."
        )


def _named(holder: str) -> str:
    return f"Process {holder}" if holder.isdecimal() else "Another process"


def _paused(holder: str) -> str:
    """Return what is wrong with the process that keeps a lock, and what to do."""
    go_on = f" (`fg`, or `kill -CONT {holder}`)" if holder.isdecimal() else ""
    return (
        f"it is paused (Ctrl-Z, a debugger), or it hangs. Continue it{go_on}, or end it, and call "
        "again."
    )


def _note_holder(file: int, at: int) -> None:
    """Write this process into a lock file that it has locked, if the disk has room for it."""
    with contextlib.suppress(OSError):
        os.pwrite(file, b"%-10d" % os.getpid(), at)


def _holder(file: int, at: int) -> str:
    """Return the process that had the lock last, which is the one that has it."""
    return os.pread(file, 10, at).decode("ascii", "replace").strip()


def wait_for_lock(file: int, seconds: float) -> bool:
    """Lock an open file for this process alone, or return False where it takes too long."""
    module = fcntl()
    deadline = time.monotonic() + seconds
    while True:
        try:
            module.flock(file, module.LOCK_EX | module.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(TURN_POLL)
        else:
            return True


class Turn:
    """The right to write the store, checkpoint it or close it: one process at a time.

    SQLite before 3.51.3 can corrupt a file in WAL mode when one process resets the log while
    another commits. The turn is an exclusive lock on PATH.turn, which ends with its process.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".turn")
        self._file: int | None = None

    def take(self, seconds: float) -> None:
        """Wait for the turn.

        Raises TurnHeldError where another process has it all that time: it is paused, or hangs.
        """
        if self._file is None:
            self._file = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        if not wait_for_lock(self._file, seconds):
            store = self._path.name.removesuffix(".turn")
            raise TurnHeldError(store, _holder(self._file, 0), seconds)
        _note_holder(self._file, 0)

    def give(self) -> None:
        """Let the next one write."""
        module = fcntl()
        if self._file is not None:
            module.flock(self._file, module.LOCK_UN)

    def close(self) -> None:
        """Close the lock file. In a forked child this leaves the parent's lock alone."""
        file = self._file
        self._file = None
        if file is not None:
            os.close(file)


@contextlib.contextmanager
def creation_lock(path: Path, seconds: float) -> Iterator[None]:
    """Let one process at a time create or migrate.

    Raises StoreError where another one takes longer than `seconds`.
    """
    module = fcntl()
    if module is None:  # Windows: SQLite's own locks serve
        yield
        return
    try:
        file = os.open(_lock_file(path), os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise _odd_lock(_lock_file(path), str(error.strerror)) from error
    _opening[file] = path
    try:
        if not wait_for_lock(file, seconds):
            holder = _holder(file, HOLDER_AT)
            raise StoreError(
                f"{_named(holder)} has been opening the store {path.name!r} for more than "
                f"{seconds:.0f} s: {_paused(holder)} Nothing was bought."
            )
        _note_holder(file, HOLDER_AT)
        yield
    finally:
        del _opening[file]
        os.close(file)


_opening: dict[int, Path] = {}  # the locks that are open here, and their stores


def _leave_to_parent() -> None:
    """Close a forked child's copies of its parent's locks, which would be kept as long as it lives.

    A store that a fork met while it was opened is refused in the child.
    """
    for file, path in _opening.items():
        os.close(file)
        _inherited.add(_identity(path))
    _opening.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


def close_to_others(path: Path) -> None:
    """Make a file of ours that was copied here private: it holds numbers."""
    found = path.stat()
    if not hasattr(os, "getuid") or found.st_uid != os.getuid() or not found.st_mode & 0o077:
        return
    for one in (path, *(path.with_name(path.name + end) for end in SIDE_FILES)):
        with contextlib.suppress(FileNotFoundError):
            one.chmod(0o600)


class FileGoneError(StoreError):
    """The store's file is not under its name any more."""


class Identity:
    """The identity of the opened file. Another file under its name is not our store."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._was = _identity(path)

    def check(self) -> None:
        """Raise StoreError where the name leads to another file, or to none."""
        if _identity(self._path) == self._was:
            return
        raise FileGoneError(
            f"The store {self._path.name!r} was moved, removed or replaced while it was in use; "
            "nothing more was asked. Put the file back, or name it with store=, and call again: "
            f"paid answers that it did not take wait in {self._path.name}.rescue."
        )

    def inherit(self) -> None:
        """Note in a forked child that a copy of its parent's connection is open here."""
        _inherited.add(self._was)


_inherited: set[tuple[int, int] | None] = set()


def refuse_inherited(path: Path) -> None:
    """Raise StoreError in a forked child that inherited an open connection to the file.

    SQLite takes it for a connection of the child, and shares its locks, which a fork does not copy.
    """
    if _identity(path) in _inherited:
        raise StoreError(
            f"The store {path.name!r} was open when this process was forked, and could not be "
            "closed for the fork, so its locks do not hold here. Open it after the fork only, or "
            'start processes by "spawn". Nothing was bought.'
        )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def fcntl() -> Any:
    """Return the module of file locks, or None on Windows."""
    try:
        import fcntl as module  # not on Windows
    except ImportError:
        return None
    return module
