"""The one name for JSON objects inside the tenant.

A directory object is a JSON document whose shape is told by the tables in `entities`, and checked there at run time:
a static type per object would say the same a second time and drift from it.
"""

from typing import Any, TypeAlias

Document: TypeAlias = dict[str, Any]
