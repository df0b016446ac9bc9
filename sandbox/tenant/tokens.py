"""Access tokens: signing them for the sign-in room, and reading them at Graph's front.

Owns the form of the claims and what makes a token good here. Tokens that were read once are remembered, because
checking an RSA signature costs more than the rest of a read.
"""

import uuid

import jwt

from sandbox.tenant.clock import Clock
from sandbox.tenant.directory import Caller
from sandbox.tenant.documents import Document
from sandbox.tenant.errors import GraphError
from sandbox.tenant.keys import SigningKey

GRAPH = "00000003-0000-0000-c000-000000000000"
"""Microsoft Graph's application id."""
LIFETIME = 3600
_SKEW = 300
_MAX_REMEMBERED = 500


class Tokens:
    """The tokens of one tenant."""

    def __init__(self, key: SigningKey, clock: Clock, tenant_id: str, url: str) -> None:
        self._key = key
        self._clock = clock
        self._tenant_id = tenant_id
        self.url = url
        self.graph_names = (url, "https://graph.microsoft.com", GRAPH)
        self._read: dict[str, Document] = {}

    def issue(self, claims: Document, *, version_2: bool) -> str:
        """A signed token with the given claims and those that every token has."""
        now = int(self._clock.now().timestamp())
        issuer = f"{self.url}/{self._tenant_id}/v2.0" if version_2 else f"https://sts.windows.net/{self._tenant_id}/"
        common = {
            "iss": issuer,
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME,
            "tid": self._tenant_id,
            "idtyp": "app",
            "uti": uuid.uuid4().hex[:22],
            "ver": "2.0" if version_2 else "1.0",
        }
        headers = {"kid": self._key.id, "x5t": self._key.id}
        return jwt.encode({**common, **claims}, self._key.private, algorithm="RS256", headers=headers)

    def caller(self, authorization: str) -> Caller:
        """Who sent a request with this Authorization header.

        Raises:
            GraphError: the header holds no token that is good here.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise _bad_token("Access token is empty.")
        claims = self._claims(token.strip())
        now = self._clock.now().timestamp()
        if claims["exp"] <= now or claims.get("nbf", 0) > now + _SKEW:
            raise _bad_token("Lifetime validation failed, the token is expired.")
        if claims["aud"] not in self.graph_names:
            raise _bad_token("Access token validation failure. Invalid audience.")
        if claims.get("tid") != self._tenant_id or claims["iss"] != f"https://sts.windows.net/{self._tenant_id}/":
            raise _bad_token("Access token validation failure. Invalid issuer.")
        if not isinstance(claims.get("oid"), str) or not isinstance(claims.get("appid"), str):
            raise _bad_token("Access token validation failure. A claim is missing.")
        return Caller(claims["appid"], claims["oid"], frozenset(claims.get("roles", ())))

    def _claims(self, token: str) -> Document:
        known = self._read.get(token)
        if known is not None:
            return known
        try:
            claims: Document = jwt.decode(
                token,
                self._key.public,
                algorithms=["RS256"],
                options={
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": False,
                    "verify_iss": False,
                    "verify_sub": False,
                    "verify_jti": False,
                    "require": ["exp", "aud", "iss"],
                },
            )
        except jwt.InvalidSignatureError as error:
            raise _bad_token("Access token validation failure. Invalid signature.") from error
        except (jwt.InvalidTokenError, ValueError, TypeError, RecursionError) as error:
            raise _bad_token("CompactToken parsing failed: JWT is not well formed.") from error
        if len(self._read) >= _MAX_REMEMBERED:
            self._read.clear()
        self._read[token] = claims
        return claims


def _bad_token(message: str) -> GraphError:
    return GraphError(401, "InvalidAuthenticationToken", message)
