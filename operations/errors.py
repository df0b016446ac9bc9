"""The one form of a refusal: what is wrong, what would have happened, what mends it."""


class OperationError(Exception):
    """A command could not run, and changed nothing it does not name.

    Attributes:
        mend: The command or step that mends it.
    """

    def __init__(self, wrong: str, consequence: str, mend: str) -> None:
        super().__init__(f"{wrong} {consequence}")
        self.mend = mend
