"""The directory's storage: JSON documents, links between them and digests of secrets, in one SQLite file.

Owns atomicity: a write happens inside `transaction`, which is committed before the answer leaves, so whatever was
acknowledged survives a kill. Knows nothing of Graph's rules; soft deletion is here only as a mark that hides objects.
Properties that are asked for by value have an index on the document itself, so reads by them cost the same in a
directory of ten as of ten thousand.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.tenant.documents import Document

INDEXED = (
    "appId",
    "displayName",
    "userPrincipalName",
    "mail",
    "resourceId",
    "principalId",
    "clientId",
    "roleTemplateId",
    "applicationId",
)
"""Properties with an index of their own."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    deleted_by TEXT
);
CREATE INDEX IF NOT EXISTS objects_kind ON objects (kind, deleted_by, number);
CREATE INDEX IF NOT EXISTS objects_deleted_by ON objects (deleted_by) WHERE deleted_by IS NOT NULL;
CREATE TABLE IF NOT EXISTS links (
    source TEXT NOT NULL,
    relation TEXT NOT NULL,
    target TEXT NOT NULL,
    PRIMARY KEY (source, relation, target)
);
CREATE INDEX IF NOT EXISTS links_target ON links (target, relation);
CREATE TABLE IF NOT EXISTS secrets (
    key_id TEXT PRIMARY KEY,
    object_id TEXT NOT NULL,
    digest BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS secrets_object ON secrets (object_id);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Store:
    """The documents of one tenant."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open()

    def _open(self) -> None:
        self._path.touch(mode=0o600)
        self._db = sqlite3.connect(self._path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        # The operating system holds what was written when the process is killed; only a power cut would need more.
        self._db.execute("PRAGMA synchronous = NORMAL")
        indexes = "".join(
            f"CREATE INDEX IF NOT EXISTS objects_{name} ON objects"
            f" (kind, json_extract(body, '$.{name}') COLLATE NOCASE);\n"
            for name in INDEXED
        )
        self._db.executescript("BEGIN;" + _SCHEMA + indexes + "COMMIT;")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is written, or nothing is. Nested uses join the outermost."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def get(self, key: str, *kinds: str, deleted: bool = False) -> tuple[str, Document] | None:
        """Kind and document of an object, if it is of one of the kinds."""
        row = self._db.execute("SELECT kind, body, deleted_by FROM objects WHERE id = ?", (key.lower(),)).fetchone()
        if row is None or (row[2] is not None) != deleted or (kinds and row[0] not in kinds):
            return None
        return row[0], json.loads(row[1])

    def get_exact(self, key: str, kind: str) -> Document | None:
        """The live object of a kind whose id is compared letter by letter, as grants' ids are."""
        query = "SELECT body FROM objects WHERE id = ? AND kind = ? AND deleted_by IS NULL"
        row = self._db.execute(query, (key, kind)).fetchone()
        return json.loads(row[0]) if row else None

    def find(self, kind: str, **values: str) -> list[Document]:
        """The live objects with these values, oldest first."""
        return [body for _, body in self.scan(kind, 0, tuple(values.items()))]

    def scan(
        self, kind: str, after: int = 0, equal: tuple[tuple[str, str], ...] = (), limit: int = -1
    ) -> Iterator[tuple[int, Document]]:
        """The live objects of a kind after a position, oldest first, narrowed by indexed properties."""
        wanted = "".join(f" AND json_extract(body, '$.{name}') = ? COLLATE NOCASE" for name, _ in equal)
        # The unary plus keeps SQLite from walking all objects in their order where an index names a few.
        position = "+number" if equal else "number"
        rows = self._db.execute(
            f"SELECT number, body FROM objects WHERE kind = ? AND deleted_by IS NULL{wanted}"  # noqa: S608 - names from INDEXED
            f" AND {position} > ? ORDER BY {position} LIMIT ?",
            (kind, *(value for _, value in equal), after, limit),
        )
        for number, body in rows:
            yield number, json.loads(body)

    def newest(self, kind: str, before: int | None, limit: int) -> list[tuple[int, Document]]:
        """The live objects of a kind, newest first, from before a position on."""
        rows = self._db.execute(
            "SELECT number, body FROM objects WHERE kind = ? AND deleted_by IS NULL AND number < ?"
            " ORDER BY number DESC LIMIT ?",
            (kind, before if before is not None else 1 << 62, limit),
        )
        return [(number, json.loads(body)) for number, body in rows.fetchall()]

    def count(self, kind: str) -> int:
        """How many live objects of a kind there are."""
        query = "SELECT count(*) FROM objects WHERE kind = ? AND deleted_by IS NULL"
        return int(self._db.execute(query, (kind,)).fetchone()[0])

    def insert(self, kind: str, body: Document) -> None:
        """Keep a new object."""
        self._db.execute("INSERT INTO objects (id, kind, body) VALUES (?, ?, ?)", (body["id"], kind, json.dumps(body)))

    def replace(self, body: Document) -> None:
        """Keep an object's new state."""
        self._db.execute("UPDATE objects SET body = ? WHERE id = ?", (json.dumps(body), body["id"]))

    def remove(self, key: str) -> None:
        """Forget an object with its links and secrets."""
        self._db.execute("DELETE FROM objects WHERE id = ?", (key,))
        self._db.execute("DELETE FROM links WHERE source = ? OR target = ?", (key, key))
        self._db.execute("DELETE FROM secrets WHERE object_id = ?", (key,))

    def hide(self, keys: list[str], root: str) -> None:
        """Mark live objects as deleted together with `root`."""
        self._db.executemany(
            "UPDATE objects SET deleted_by = ? WHERE id = ? AND deleted_by IS NULL", [(root, key) for key in keys]
        )

    def hidden_by(self, root: str) -> list[tuple[str, Document]]:
        """Kind and document of what was deleted together with `root`."""
        rows = self._db.execute("SELECT kind, body FROM objects WHERE deleted_by = ? ORDER BY number", (root,))
        return [(kind, json.loads(body)) for kind, body in rows.fetchall()]

    def hidden(self, kind: str) -> list[Document]:
        """The deleted objects of a kind, oldest first."""
        rows = self._db.execute(
            "SELECT body FROM objects WHERE kind = ? AND deleted_by IS NOT NULL ORDER BY number", (kind,)
        )
        return [json.loads(body) for (body,) in rows.fetchall()]

    def deleted_by(self, key: str) -> str | None:
        """The object whose deletion took this one along."""
        row = self._db.execute("SELECT deleted_by FROM objects WHERE id = ?", (key,)).fetchone()
        return row[0] if row else None

    def show(self, root: str) -> None:
        """Bring back what was deleted together with `root`."""
        self._db.execute("UPDATE objects SET deleted_by = NULL WHERE deleted_by = ?", (root,))

    def link(self, source: str, relation: str, target: str) -> None:
        """Relate two objects."""
        self._db.execute("INSERT OR IGNORE INTO links VALUES (?, ?, ?)", (source, relation, target))

    def unlink(self, source: str, relation: str, target: str) -> None:
        """End a relation."""
        self._db.execute(
            "DELETE FROM links WHERE source = ? AND relation = ? AND target = ?", (source, relation, target)
        )

    def linked(self, source: str, relation: str, target: str) -> bool:
        """Whether the relation holds."""
        query = "SELECT 1 FROM links WHERE source = ? AND relation = ? AND target = ?"
        return self._db.execute(query, (source, relation, target)).fetchone() is not None

    def targets(self, source: str, relation: str) -> list[tuple[str, Document]]:
        """Kind and document of the live objects that an object relates to."""
        rows = self._db.execute(
            "SELECT o.kind, o.body FROM links l JOIN objects o ON o.id = l.target"
            " WHERE l.source = ? AND l.relation = ? AND o.deleted_by IS NULL ORDER BY l.rowid",
            (source, relation),
        )
        return [(kind, json.loads(body)) for kind, body in rows.fetchall()]

    def sources(self, target: str, relation: str) -> list[tuple[str, Document]]:
        """Kind and document of the live objects that relate to an object."""
        rows = self._db.execute(
            "SELECT o.kind, o.body FROM links l JOIN objects o ON o.id = l.source"
            " WHERE l.target = ? AND l.relation = ? AND o.deleted_by IS NULL ORDER BY l.rowid",
            (target, relation),
        )
        return [(kind, json.loads(body)) for kind, body in rows.fetchall()]

    def add_secret(self, key_id: str, object_id: str, digest: bytes) -> None:
        """Keep the digest of a secret; the secret itself is nowhere."""
        self._db.execute("INSERT INTO secrets VALUES (?, ?, ?)", (key_id, object_id, digest))

    def remove_secret(self, key_id: str) -> None:
        """Forget a secret."""
        self._db.execute("DELETE FROM secrets WHERE key_id = ?", (key_id,))

    def secrets(self, *object_ids: str) -> dict[str, bytes]:
        """Digest by key id of the secrets of some objects."""
        marks = ",".join("?" * len(object_ids))
        query = f"SELECT key_id, digest FROM secrets WHERE object_id IN ({marks})"  # noqa: S608 - placeholders only
        return dict(self._db.execute(query, object_ids).fetchall())

    def setting(self, name: str) -> str | None:
        """A value the tenant keeps for itself."""
        row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def set(self, name: str, value: str) -> None:
        """Keep a value for the tenant itself."""
        self._db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))

    def clear(self) -> None:
        """Forget the whole directory, keep the tenant's own settings."""
        for table in ("objects", "links", "secrets"):
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - fixed names

    def copy_to(self, path: Path) -> None:
        """Write the present state to a file of its own."""
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        with sqlite3.connect(path) as copy:
            self._db.backup(copy)
        copy.close()

    def copy_from(self, path: Path) -> None:
        """Take over the state that `copy_to` wrote."""
        source = sqlite3.connect(path)
        source.backup(self._db)
        source.close()
