"""As many registrations of Identity Manager in one stack as `fleet:registrations` says."""

import pulumi

from components import IdentityManagerRegistration

for number in range(1, pulumi.Config().require_int("registrations") + 1):
    IdentityManagerRegistration(
        f"identity-manager-{number:04}",
        {
            "organization": f"Organization {number:04}",
            "secrets": ["2027-11-24"],
            "graph_api_url": "https://graph.microsoft.com/v1.0/",
            "owners": ["33333333-3333-4333-8333-333333333333"],
        },
    )
