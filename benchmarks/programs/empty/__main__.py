"""The least that a Pulumi program in Python can be."""

import pulumi  # noqa: F401 - importing it is what the program costs
