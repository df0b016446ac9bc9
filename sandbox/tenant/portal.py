"""The portal page: what the directory holds, for people, in server-rendered HTML without script. Read only."""

from sandbox.tenant.directory import Answer, Directory


class Portal:
    """The pages under `/`."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def page(self, path: str) -> Answer | None:
        """The page at a path, if there is one."""
        if path != "/":
            return None
        return Answer(200, "<!doctype html><title>Contoso</title>", {"Content-Type": "text/html; charset=utf-8"})
