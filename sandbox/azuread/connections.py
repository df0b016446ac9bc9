"""HTTPS to the tenant, with the standard library alone: the plugin starts anew with every command of the engine.

Owns one open connection per thread, which serves request after request. It tries nothing again: a request that was cut
off may have had its effect.
"""

from __future__ import annotations

import http.client
import os
import selectors
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

FAILURES = (OSError, http.client.HTTPException)
"""What a request raises that found no answer."""

_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Response:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    """Their names are compared without regard to case."""
    content: bytes


class Connections:
    """The way to hosts that SSL_CERT_FILE vouches for, through no proxy: the tenant is on this machine."""

    def __init__(self) -> None:
        self._trust = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE"))
        self._of_this_thread = threading.local()

    def request(
        self, method: str, address: str, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Ask, and wait for the answer.

        Args:
            method: The method.
            address: The whole address.
            content: The body.
            headers: Headers beside those that HTTP itself needs.

        Raises:
            OSError: The connection failed.
            http.client.HTTPException: What came back is no HTTP, or not all of it.
        """
        parts = urlsplit(address)
        connection = self._connection(parts.netloc)
        try:
            path = f"{parts.path}?{parts.query}" if parts.query else parts.path
            connection.request(method, path, content, dict(headers or {}))
            answer = connection.getresponse()
            return Response(answer.status, answer.headers, answer.read())
        except FAILURES:
            connection.close()
            raise

    def _connection(self, host: str) -> http.client.HTTPSConnection:
        known: dict[str, http.client.HTTPSConnection] = self._of_this_thread.__dict__.setdefault("known", {})
        connection = known.get(host)
        if connection is None:
            connection = http.client.HTTPSConnection(host, timeout=_SECONDS, context=self._trust)
            known[host] = connection
        elif connection.sock is not None and _ended(connection.sock):
            connection.close()
        return connection


def _ended(socket: ssl.SSLSocket) -> bool:
    """Whether the other side has closed an idle connection: nothing else is to be read from it."""
    with selectors.DefaultSelector() as selector:
        selector.register(socket, selectors.EVENT_READ)
        return bool(selector.select(0))
