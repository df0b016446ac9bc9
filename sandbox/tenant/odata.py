"""OData as Graph speaks it: $filter, $select, $top, $expand, $count, $orderby and paging.

Owns reading the query and applying it to documents. Which objects there are, and who may see them, is for the routes.
"""

import base64
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl

from sandbox.tenant.clock import parsed
from sandbox.tenant.documents import Document
from sandbox.tenant.entities import ENTITIES, Entity, Property
from sandbox.tenant.errors import GraphError, bad_request, malformed, unsupported

Test = Callable[[Document], bool]
_PAGE = 100
_MAX_PAGE = 999
_MAX_DEPTH = 30
_KNOWN = {"$filter", "$select", "$top", "$expand", "$count", "$orderby", "$search", "$skiptoken", "$format"}
_TOKEN = re.compile(
    r"\s*(?:(?P<time>\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d))"
    r"|(?P<guid>[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})"
    r"|(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)(?![\w.])|(?P<word>[A-Za-z_$][\w$]*)|(?P<sign>[(),:/]))"
)


@dataclass(frozen=True)
class Filter:
    """A $filter: the test, the equalities that hold for every match, and whether it needs the advanced engine."""

    test: Test
    equal: tuple[tuple[str, str], ...] = ()
    advanced: bool = False


@dataclass(frozen=True)
class Expansion:
    """A relation to expand, and what of its objects to show."""

    relation: str
    selected: frozenset[str] | None

    def shown(self, brought: object) -> object:
        """What the relation brought, as far as it was selected."""
        if isinstance(brought, list):
            return [self.shown(one) for one in brought]
        if self.selected is None or not isinstance(brought, dict):
            return brought
        return {name: value for name, value in brought.items() if name in self.selected or name.startswith("@odata.")}


@dataclass(frozen=True)
class Query:
    """The system query options of one request."""

    raw: dict[str, str] = field(default_factory=dict)
    eventual: bool = False

    @property
    def wants_count(self) -> bool:
        """Whether the total belongs in the answer: Graph counts only under ConsistencyLevel: eventual."""
        return self.eventual and self.raw.get("$count", "").lower() == "true"

    @property
    def top(self) -> int | None:
        """The page size that was asked for."""
        text = self.raw.get("$top")
        if text is None:
            return None
        if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
            raise malformed(
                f"Invalid value '{text}' for $top query option found. The $top query option requires a non-negative "
                "integer value."
            )
        if not 1 <= int(text) <= _MAX_PAGE:
            raise unsupported(f"Invalid page size specified: '{text}'. Must be between 1 and 999 inclusive.")
        return int(text)

    @property
    def page(self) -> int:
        """The page size."""
        return self.top or _PAGE

    @property
    def after(self) -> int:
        """The position of the last object of the page before."""
        token = self.raw.get("$skiptoken")
        if token is None:
            return 0
        try:
            return int(base64.urlsafe_b64decode(token.encode("ascii")).decode("ascii").removeprefix("after:"))
        except ValueError as error:
            raise bad_request("Invalid value specified for $skiptoken.") from error

    def select(self, entity: Entity) -> list[str] | None:
        """The selected properties."""
        text = self.raw.get("$select")
        if not text:
            return None
        names = [name.strip() for name in text.split(",")]
        if "*" in names:
            return None
        known = {name.lower(): name for name in entity.properties}
        for name in names:
            if name.lower() not in known:
                raise malformed(
                    f"Parsing OData Select and Expand failed: Could not find a property named '{name}' on type "
                    f"'microsoft.graph.{entity.type}'."
                )
        return [known[name.lower()] for name in names]

    def filter(self, entity: Entity) -> Filter | None:
        """The parsed $filter."""
        text = self.raw.get("$filter")
        if text is None:
            return None
        parsed_filter = _Parser(text, entity).parse()
        if parsed_filter.advanced and not self.wants_count:
            raise unsupported(
                "Unsupported Query. The filter needs the header ConsistencyLevel: eventual and $count=true."
            )
        return parsed_filter

    def expand(self, allowed: Iterable[str]) -> Expansion | None:
        """The relation to expand."""
        text = self.raw.get("$expand")
        if text is None:
            return None
        match = re.fullmatch(r"\s*(\w+)\s*(?:\(\s*\$select\s*=\s*([\w, ]+)\))?\s*", text)
        name = match.group(1) if match else text
        found = next((one for one in allowed if one.lower() == name.lower()), None)
        if match is None or found is None:
            raise malformed(f"Parsing OData Select and Expand failed: Could not find a property named '{name}'.")
        selected = match.group(2)
        return Expansion(found, frozenset(one.strip() for one in selected.split(",")) if selected else None)

    def order(self, entity: Entity) -> tuple[str, bool] | None:
        """The property to order by and whether descending."""
        text = self.raw.get("$orderby")
        if text is None:
            return None
        match = re.fullmatch(r"\s*(\w+)(?:\s+(asc|desc))?\s*", text)
        name = match.group(1) if match else text
        one = entity.properties.get(name)
        if match is None or one is None:
            raise malformed(f"Could not find a property named '{name}' on type 'microsoft.graph.{entity.type}'.")
        if name not in ("displayName", "userPrincipalName", "createdDateTime", "deletedDateTime"):
            raise unsupported(f"Unsupported sort property '{name}' for '{entity.label}'.")
        if "$filter" in self.raw and not self.wants_count:
            raise unsupported("Sorting not supported for current query.")
        return name, match.group(2) == "desc"

    def search(self) -> Test | None:
        """The parsed $search: all of its quoted clauses hold."""
        text = self.raw.get("$search")
        if text is None:
            return None
        if not self.eventual:
            raise unsupported(
                "Request with $search query parameter only works through MSGraph with a special request header: "
                "'ConsistencyLevel: eventual'"
            )
        clauses = re.findall(r'"(displayName|description|mail|userPrincipalName):([^"]+)"', text)
        if not clauses or re.sub(r'"[^"]*"|AND|\s', "", text):
            raise bad_request(f"Syntax error: {text}")
        return lambda body: all(word.lower() in str(body.get(name) or "").lower() for name, word in clauses)


def read(query_string: str, consistency: str) -> Query:
    """The query of a request.

    Raises:
        GraphError: an option is unknown or given twice.
    """
    raw: dict[str, str] = {}
    for name, value in parse_qsl(query_string, keep_blank_values=True, max_num_fields=200):
        lowered = name.lower()
        option = lowered if lowered.startswith("$") else f"${lowered}"
        if option in ("$skip", "$apply", "$compute"):
            raise bad_request(f"'{option}' is not supported by the service.")
        if option not in _KNOWN:
            if lowered.startswith("$"):
                raise malformed(f"The query parameter '{name}' is not supported.")
            continue
        if option in raw:
            raise malformed(
                f"Query option '{option}' was specified more than once, but it must be specified at most once."
            )
        raw[option] = value
    if "$count" in raw and raw["$count"].lower() not in ("true", "false"):
        raise malformed(
            f"Invalid value '{raw['$count']}' for $count query option found. Valid values are 'false', 'true'."
        )
    return Query(raw, consistency.lower() == "eventual")


def next_token(position: int) -> str:
    """The $skiptoken of the page after a position."""
    return base64.urlsafe_b64encode(f"after:{position}".encode("ascii")).decode("ascii")


class _Parser:
    """Reads one $filter by recursive descent."""

    def __init__(self, text: str, entity: Entity) -> None:
        self._entity = entity
        self._tokens = self._split(text)
        self._at = 0
        self._depth = 0

    @staticmethod
    def _split(text: str) -> list[tuple[str, str]]:
        tokens, position = [], 0
        text = text.strip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise malformed(f"Invalid filter clause: Syntax error at position {position} in '{text:.200}'.")
            tokens.append((str(match.lastgroup), match.group(str(match.lastgroup))))
            position = match.end()
        return tokens

    def parse(self) -> Filter:
        result = self._either()
        if self._at != len(self._tokens):
            raise self._error()
        return result

    def _error(self) -> GraphError:
        return malformed(f"Invalid filter clause: Syntax error at position {self._at}.")

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("", "")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        if not token[0]:
            raise self._error()
        self._at += 1
        return token

    def _take(self, text: str) -> bool:
        if self._peek() in (("sign", text), ("word", text)):
            self._at += 1
            return True
        return False

    def _need(self, text: str) -> None:
        if not self._take(text):
            raise self._error()

    def _either(self) -> Filter:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise malformed("Invalid filter clause: The node count limit of the filter has been exceeded.")
        parts = [self._both()]
        while self._take("or"):
            parts.append(self._both())
        self._depth -= 1
        if len(parts) == 1:
            return parts[0]
        tests = [part.test for part in parts]
        return Filter(lambda body: any(test(body) for test in tests), (), any(part.advanced for part in parts))

    def _both(self) -> Filter:
        parts = [self._unary()]
        while self._take("and"):
            parts.append(self._unary())
        if len(parts) == 1:
            return parts[0]
        tests = [part.test for part in parts]
        equal = tuple(pair for part in parts for pair in part.equal)
        return Filter(lambda body: all(test(body) for test in tests), equal, any(part.advanced for part in parts))

    def _unary(self) -> Filter:
        if self._take("not"):
            self._depth += 1
            if self._depth > _MAX_DEPTH:
                raise malformed("Invalid filter clause: The node count limit of the filter has been exceeded.")
            inner = self._unary()
            self._depth -= 1
            return Filter(lambda body: not inner.test(body), (), True)
        if self._take("("):
            inner = self._either()
            self._need(")")
            return inner
        if self._peek()[1] in ("startswith", "endswith", "startsWith", "endsWith", "contains"):
            return self._function()
        return self._comparison()

    def _function(self) -> Filter:
        name = self._next()[1].lower()
        if name == "contains":
            raise unsupported("Unsupported Query. The function 'contains' is not supported.")
        self._need("(")
        one, value_of = self._path()
        if one.many or one.edm != "String":
            raise malformed(
                f"Invalid filter clause: No function signature for the function with name '{name}' matches the "
                "specified arguments."
            )
        self._need(",")
        wanted = str(self._literal(one)).lower()
        self._need(")")
        if name == "startswith":
            return Filter(lambda body: str(value_of(body) or "").lower().startswith(wanted))
        return Filter(lambda body: str(value_of(body) or "").lower().endswith(wanted), (), True)

    def _path(self) -> tuple[Property, Callable[[Document], object]]:
        kind, name = self._next()
        one = self._entity.properties.get(name)
        if kind != "word" or one is None:
            raise malformed(
                f"Invalid filter clause: Could not find a property named '{name}' on type "
                f"'microsoft.graph.{self._entity.type}'."
            )
        value_of = _property_of(lambda body: body, name)
        while one.fields and not one.many:
            self._need("/")
            kind, name = self._next()
            one = next((part for part in one.fields if part.name == name), None)
            if one is None:
                raise malformed(f"Invalid filter clause: Could not find a property named '{name}'.")
            value_of = _property_of(value_of, name)
        return one, value_of

    def _comparison(self) -> Filter:
        one, value_of = self._path()
        if one.many:
            return self._collection(one, value_of)
        _, operator = self._next()
        if operator == "in":
            self._need("(")
            values = [self._literal(one)]
            while self._take(","):
                values.append(self._literal(one))
            self._need(")")
            keys = [_folded(value) for value in values]
            return Filter(lambda body: _folded(value_of(body)) in keys)
        if operator not in _OPERATORS:
            raise self._error()
        wanted = self._literal(one)
        if operator in ("eq", "ne"):
            key = _folded(wanted)
            if operator == "ne":
                return Filter(lambda body: _folded(value_of(body)) != key, (), True)
            # An index can answer for a property of the entity itself; beyond ASCII it does not fold case as Graph does.
            direct = self._entity.properties.get(one.name) is one
            equal = ((one.name, wanted),) if direct and isinstance(wanted, str) and wanted.isascii() else ()
            return Filter(lambda body: _folded(value_of(body)) == key, equal)
        if wanted is None or isinstance(wanted, bool):
            raise malformed("Invalid filter clause: A binary operator with incompatible types was detected.")
        compare = _OPERATORS[operator]
        return Filter(lambda body: compare(value_of(body), wanted))

    def _collection(self, one: Property, value_of: Callable[[Document], object]) -> Filter:
        self._need("/")
        kind, word = self._next()
        if kind == "word" and word == "$count":
            _, operator = self._next()
            kind, number = self._next()
            if kind != "number" or operator not in ("eq", "ne", "gt", "ge", "lt", "le"):
                raise self._error()
            compare = _COUNTS[operator]
            return Filter(lambda body: compare(len(_items(value_of(body))), int(number)), (), True)
        if word not in ("any", "all"):
            raise self._error()
        self._need("(")
        if word == "any" and self._take(")"):
            return Filter(lambda body: bool(_items(value_of(body))), (), True)
        kind, variable = self._next()
        self._need(":")
        if kind != "word":
            raise self._error()
        inner = self._lambda(one, variable)
        self._need(")")
        if word == "all":
            return Filter(lambda body: all(inner.test(_boxed(item)) for item in _items(value_of(body))), (), True)
        return Filter(lambda body: any(inner.test(_boxed(item)) for item in _items(value_of(body))), (), inner.advanced)

    def _lambda(self, one: Property, variable: str) -> Filter:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise malformed("Invalid filter clause: The node count limit of the filter has been exceeded.")
        outer = self._entity
        # Inside the lambda the range variable is the only name: a property of one element, or the element itself.
        element = Property(variable, one.edm, fields=one.fields, default=())
        self._entity = Entity(outer.kind, outer.type, outer.label, {variable: element})
        try:
            return self._either()
        finally:
            self._entity = outer
            self._depth -= 1

    def _literal(self, one: Property) -> object:
        kind, text = self._next()
        if (kind, text) == ("word", "null"):
            return None
        if kind == "word" and text in ("true", "false") and one.edm == "Boolean":
            return text == "true"
        if kind == "text" and one.edm in ("String", "Guid", "Binary"):
            return text[1:-1].replace("''", "'")
        if kind == "guid" and one.edm == "Guid":
            return text.lower()
        if kind == "number" and one.edm == "Int32":
            return int(text)
        if kind == "time" and one.edm == "DateTimeOffset":
            try:
                return parsed(text)
            except ValueError as error:
                raise self._error() from error
        raise malformed(
            "Invalid filter clause: A binary operator with incompatible types was detected. Found operand types "
            f"'Edm.{one.edm}' and '{kind}'."
        )


def _property_of(start: Callable[[Document], object], name: str) -> Callable[[Document], object]:
    def value(body: Document) -> object:
        holder = start(body)
        # An element of a collection of strings is its own value.
        return holder.get(name) if isinstance(holder, dict) else None

    return value


class _Element(dict[str, object]):
    """One element of a collection under whatever name the lambda gives it."""

    def __init__(self, item: object) -> None:
        super().__init__()
        self._item = item

    def get(self, key: str, default: object = None) -> object:
        del key, default
        return self._item


def _boxed(item: object) -> Document:
    return _Element(item)


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _folded(value: object) -> object:
    if isinstance(value, str):
        if re.match(r"\d{4}-\d\d-\d\dT", value):
            try:
                return parsed(value)
            except ValueError:
                return value.casefold()
        return value.casefold()
    return value


def _ordered(left: object, right: object) -> int | None:
    first, second = _folded(left), _folded(right)
    for kind in (datetime, str, int):
        if isinstance(first, kind) and isinstance(second, kind):
            return (first > second) - (first < second)  # type: ignore[operator]
    return None


_OPERATORS: dict[str, Callable[[object, object], bool]] = {
    "eq": lambda left, right: left == right,
    "ne": lambda left, right: left != right,
    "gt": lambda left, right: _ordered(left, right) == 1,
    "ge": lambda left, right: _ordered(left, right) in (0, 1),
    "lt": lambda left, right: _ordered(left, right) == -1,
    "le": lambda left, right: _ordered(left, right) in (0, -1),
}
_COUNTS: dict[str, Callable[[int, int], bool]] = {
    "eq": lambda left, right: left == right,
    "ne": lambda left, right: left != right,
    "gt": lambda left, right: left > right,
    "ge": lambda left, right: left >= right,
    "lt": lambda left, right: left < right,
    "le": lambda left, right: left <= right,
}


def shaped(kind: str, body: Document, select: list[str] | None) -> Document:
    """An object as an answer carries it."""
    entity = ENTITIES[kind]
    if select is not None:
        shown = {name: body.get(name) for name in select}
    else:
        shown = {name: value for name, value in body.items() if (one := entity.properties.get(name)) and one.listed}
    keys = shown.get("keyCredentials")
    if keys and select is None:
        # Graph gives a certificate's bytes only to who selects them.
        shown["keyCredentials"] = [{**key, "key": None} for key in keys]
    return shown
