"""Writing files whole or not at all.

Owns that a reader sees the old content or the new, that the file keeps its mode and owner, and that nothing is ever
written through a link.
"""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from operations.errors import OperationError

PRIVATE = 0o600


def read_plain(path: Path, mend: str) -> str:
    """The text of a file that is no link, line ends and byte order mark as they are.

    Args:
        path: The file.
        mend: What makes the file, where it is missing.

    Raises:
        OperationError: The file is missing, a link, no file, or not in UTF-8.
    """
    refuse_links(path)
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise OperationError(f"{path} does not exist.", "Nothing was changed.", mend) from None
    except UnicodeDecodeError:
        raise OperationError(f"{path} is not in UTF-8.", "Nothing was changed.", f"save {path} as UTF-8") from None
    except OSError as error:
        raise _unusable(path, error) from None


def refuse_links(path: Path) -> None:
    """Refuse a path that is a link of either kind, or no file.

    Raises:
        OperationError: It is one of these.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise _unusable(path, error) from None
    if stat.S_ISLNK(found.st_mode):
        wrong = f"{path} is a link to {path.readlink()}."
    elif not stat.S_ISREG(found.st_mode):
        wrong = f"{path} is no file."
    elif found.st_nlink > 1:
        wrong = f"{path} has {found.st_nlink} names (hard links)."
    else:
        return
    raise OperationError(wrong, "Writing it could change another file, so nothing was changed.", "name the file itself")


def write_whole(path: Path, text: str, *, like: Path | None = None) -> None:
    """Write a file at once.

    Args:
        path: The file.
        text: Its new content.
        like: The file whose mode and owner it gets; its owner alone may read it where there is none.

    Raises:
        OperationError: The file cannot be written.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "wb") as file:
            if like is not None:
                model = like.stat()
                with suppress(PermissionError):
                    os.fchown(file.fileno(), model.st_uid, model.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(model.st_mode))
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except (OSError, ValueError) as error:
        with suppress(OSError, ValueError):
            fresh.unlink(missing_ok=True)
        raise _unusable(path, error) from None


def _unusable(path: Path, error: Exception) -> OperationError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return OperationError(
        f"{path} cannot be used: {reason}.", "Nothing was changed.", "name a file that you may read and write"
    )
