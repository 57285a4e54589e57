"""A proxy before PostgreSQL that loses connections on purpose, at a message and on a side of it that a test chooses."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Literal

Cut = Literal[
    "before", "after"
]  # the server gets the message; "after": and does it, but its reply is lost
_KEY = b"K\x00\x00\x00\x0c"  # BackendKeyData: the session's number follows


class Proxy:
    """`with Proxy(port) as proxy: ... proxy.port ...`; `when` is asked at each message of a client."""

    def __init__(
        self,
        port: int,
        when: Callable[[bytes], Cut | None] = lambda _: None,
        *,
        pooler: bool = False,
    ) -> None:
        self.when = when
        self.cuts = 0
        self._server = port
        self._pooler = pooler  # gives sessions another number than the server does, as poolers do
        self._lock = threading.Lock()
        self._pairs: list[_Pair] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut_all()

    def cut_all(self) -> None:
        """Lose every connection that there is."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            pair.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    pair = _Pair(client, socket.create_connection(("127.0.0.1", self._server)))
                except OSError:
                    client.close()
                    continue
                with self._lock:
                    self._pairs.append(pair)
                threading.Thread(target=self._forth, args=(pair,), daemon=True).start()
                threading.Thread(target=self._back, args=(pair,), daemon=True).start()

    def _forth(self, pair: _Pair) -> None:
        for data in _parts(pair.client):
            with self._lock:
                cut = self.when(data)
                self.cuts += cut is not None
            if cut == "before":
                break
            pair.mute = cut == "after"
            with contextlib.suppress(OSError):
                pair.server.sendall(data)
            if pair.mute:
                return  # closed when the server has answered
        pair.close()

    def _back(self, pair: _Pair) -> None:
        for data in _parts(pair.server):
            if pair.mute:
                break
            if self._pooler and (at := data.find(_KEY)) >= 0:
                number = at + len(_KEY) + 3
                data = data[:number] + bytes([data[number] ^ 1]) + data[number + 1 :]
            with contextlib.suppress(OSError):
                pair.client.sendall(data)
        pair.close()


class _Pair:
    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server, self.mute = client, server, False

    def close(self) -> None:
        for side in (self.client, self.server):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            side.close()


def _parts(side: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(OSError):
        while data := side.recv(1 << 16):
            yield data
