"""Which application permissions open which routes, as Microsoft documents them.

Owns the sets named in the route table and the decision over a token's roles. The rows that surprise: reading one
federated credential by id is not open to Application.Read.All (the list is), delegated grants are not either, and
granting an app role takes AppRoleAssignment.ReadWrite.All beside a permission to read applications.
"""

from enum import Enum
from itertools import product

OWNED_BY = "Application.ReadWrite.OwnedBy"

Needs = tuple[frozenset[str], ...]
"""Alternatives; of each, a caller must hold all."""


class Reach(Enum):
    """How far a caller's permissions reach on a route."""

    ALL = "all objects"
    OWNED = "objects the caller owns"


def _any(*names: str) -> Needs:
    return tuple(frozenset((name,)) for name in names)


def _both(first: Needs, second: Needs) -> Needs:
    return tuple(one | other for one, other in product(first, second))


def reach(needs: Needs, roles: frozenset[str]) -> Reach | None:
    """How far these roles reach on a route with these needs; None where they do not open it."""
    held = [alternative for alternative in needs if alternative <= roles]
    if not held:
        return None
    return Reach.OWNED if all(OWNED_BY in alternative for alternative in held) else Reach.ALL


READ_APPLICATIONS = _any(
    "Application.Read.All", "Application.ReadWrite.All", OWNED_BY, "Directory.Read.All", "Directory.ReadWrite.All"
)
CREATE_APPLICATION = _any("AppRegistration.Create", OWNED_BY, "Application.ReadWrite.All")
WRITE_APPLICATION = _any(OWNED_BY, "Application.ReadWrite.All")
WRITE_CREDENTIALS = _any(OWNED_BY, "Application.ReadWrite.All", "Directory.ReadWrite.All")
WRITE_SERVICE_PRINCIPAL = WRITE_CREDENTIALS
WRITE_OWNERS = WRITE_CREDENTIALS
LIST_FEDERATED = _any("Application.Read.All", OWNED_BY, "Application.ReadWrite.All")
READ_FEDERATED = WRITE_APPLICATION
GRANT_APP_ROLE = _both(
    _any("AppRoleAssignment.ReadWrite.All"),
    _any("Application.Read.All", "Application.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"),
)
REVOKE_APP_ROLE = _any("AppRoleAssignment.ReadWrite.All", "Application.ReadWrite.All")
READ_DELEGATED = _any("Directory.Read.All", "DelegatedPermissionGrant.ReadWrite.All", "Directory.ReadWrite.All")
WRITE_DELEGATED = _any("DelegatedPermissionGrant.ReadWrite.All", "Directory.ReadWrite.All")
READ_USERS = _any(
    "User.ReadBasic.All", "User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"
)
READ_MANAGER = _any("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
READ_GROUPS = _any(
    "Group.ReadBasic.All",
    "GroupMember.Read.All",
    "Group.Read.All",
    "Group.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
)
READ_ORGANIZATION = _any(
    "Organization.Read.All",
    "Organization.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
    "User.Read.All",
)
READ_OBJECTS = _any("Directory.Read.All", "Directory.ReadWrite.All")
READ_ROLES = _any(
    "RoleManagement.Read.Directory",
    "RoleManagement.ReadWrite.Directory",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
)
WRITE_ROLES = _any("RoleManagement.ReadWrite.Directory")
READ_DELETED = {
    "applications": READ_APPLICATIONS,
    "servicePrincipals": READ_APPLICATIONS,
    "users": READ_USERS,
    "groups": READ_GROUPS,
}
READ_ANY_DELETED: Needs = tuple(dict.fromkeys(one for needs in READ_DELETED.values() for one in needs))
"""Without a type in the path: whatever opens one of the types; the answer holds only those."""
EVERYONE: Needs = (frozenset(),)
