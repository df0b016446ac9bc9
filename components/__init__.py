"""Component resources that register applications in Microsoft Entra ID.

They read neither configuration nor environment nor the clock: the same inputs always declare the same resources.
"""

from components.entra_application import (
    AdoptArgs,
    ClientSecretArgs,
    EntraApplication,
    EntraApplicationArgs,
    FederatedCredentialArgs,
)
from components.identity_manager_registration import (
    IdentityManagerRegistration,
    IdentityManagerRegistrationArgs,
)

__all__ = [
    "AdoptArgs",
    "ClientSecretArgs",
    "EntraApplication",
    "EntraApplicationArgs",
    "FederatedCredentialArgs",
    "IdentityManagerRegistration",
    "IdentityManagerRegistrationArgs",
]
