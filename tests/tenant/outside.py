"""What stands outside the tenant: certificates of clients, and an issuer whose tokens applications trust."""

import base64
import hashlib
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from tests.tenant.conftest import RunningTenant, made

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Certificate:
    """A self-signed certificate with its key."""

    def __init__(self, days: int = 30) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "agent")]), datetime.now(UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=days))
            .sign(self.key, hashes.SHA256())
        )
        self.der = self.certificate.public_bytes(serialization.Encoding.DER)
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM)
        self.key_pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def credential(self, encoded: bytes | None = None) -> dict[str, str]:
        """The key credential that PATCH adds."""
        key = base64.b64encode(encoded or self.der).decode()
        return {"type": "AsymmetricX509Cert", "usage": "Verify", "key": key}

    def assertion(self, client_id: str, audience: str, **claims: object) -> str:
        """A client assertion."""
        now = int(datetime.now(UTC).timestamp())
        body = {
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "jti": str(uuid.uuid4()),
            "nbf": now,
            "exp": now + 300,
        }
        thumbprint = (
            base64.urlsafe_b64encode(hashlib.sha1(self.der, usedforsecurity=False).digest()).decode().rstrip("=")
        )
        return jwt.encode(body | claims, self.key, algorithm="RS256", headers={"x5t": thumbprint})


def trust(admin: httpx.Client, app: dict[str, Any]) -> None:
    """Have an application trust the outside issuer."""
    body = {
        "name": "ci",
        "issuer": "https://ci.example",
        "subject": "repo:contoso/identity",
        "audiences": ["api://AzureADTokenExchange"],
    }
    made(admin.post(f"/applications/{app['id']}/federatedIdentityCredentials", json=body))


def outside_token(tenant: RunningTenant, **claims: object) -> str:
    """A token of the outside issuer."""
    body = {"iss": "https://ci.example", "sub": "repo:contoso/identity", "aud": "api://AzureADTokenExchange"}
    return str(tenant.control.post("/federated-tokens", json=body | claims).json()["token"])


def unsigned(claims: dict[str, Any]) -> str:
    """A token that nobody signed."""
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."
