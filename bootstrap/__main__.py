"""The two identities of the pipelines, with no secret at all: one that only reads, one that applies the stack.

They have no owners: whoever owns the identity that deploys could sign in as it, and it can grant any permission.
"""

import sys
from pathlib import Path

import pulumi
import pulumi_azuread as azuread

# Components and settings are those of the repository, which Pulumi does not look for above the project.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bootstrap import pipelines
from components import EntraApplication

settings = pipelines.load()
preview = EntraApplication(
    "preview",
    {
        "display_name": f"Pipeline preview of {settings.title}",
        "permissions": {"MicrosoftGraph": ["Application.Read.All"]},
        "federated_credentials": settings.previews(),
        "protect": settings.protect,
    },
)
deploy = EntraApplication(
    "deploy",
    {
        "display_name": f"Pipeline deploy of {settings.title}",
        "permissions": {
            "MicrosoftGraph": [
                "Application.ReadWrite.OwnedBy",
                "Application.Read.All",
                "AppRoleAssignment.ReadWrite.All",
            ]
        },
        "federated_credentials": settings.deploys(),
        "protect": settings.protect,
    },
)
pulumi.export("TenantId", azuread.get_client_config_output().tenant_id)
pulumi.export("PreviewClientId", preview.application_id)
pulumi.export("PreviewObjectId", preview.service_principal_object_id)
pulumi.export("DeployClientId", deploy.application_id)
pulumi.export("DeployObjectId", deploy.service_principal_object_id)
