"""The vault's HTTP front: the challenge, the gate, the routes."""

import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.vault.secrets import Document, Secrets, VaultError

_VERSIONS = ("7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01", "2026-04-01")


@dataclass(frozen=True)
class Guard:
    """Who may use the vault: identities of the tenant, with tokens for this vault."""

    tenant_url: str
    tenant_id: str
    audience: str
    officers: frozenset[str]
    trust: ssl.SSLContext

    @property
    def challenge(self) -> str:
        """What a request without a good token is told."""
        return f'Bearer authorization="{self.tenant_url}/{self.tenant_id}", resource="{self.audience}"'

    def check(self, authorization: str) -> None:
        """Let a request with this header through.

        Raises:
            VaultError: 401 where the token is not good here, 403 where its identity may not.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise VaultError(401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.")
        try:
            claims = jwt.decode(
                token,
                self._key(jwt.get_unverified_header(token).get("kid")),
                algorithms=["RS256"],
                audience=self.audience,
                # The tenant's clock may be shifted, and this one follows the machine's.
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError as error:
            raise VaultError(401, "Unauthorized", str(error)) from None
        if claims.get("oid") not in self.officers:
            raise VaultError(
                403,
                "Forbidden",
                f"Caller is not authorized to perform action on resource.\nCaller: appid={claims.get('appid')};"
                f"oid={claims.get('oid')}",
                "ForbiddenByRbac",
            )

    def _key(self, key_id: object) -> jwt.PyJWK:
        answer = httpx.get(f"{self.tenant_url}/{self.tenant_id}/discovery/v2.0/keys", verify=self.trust)
        for key in jwt.PyJWKSet.from_dict(answer.raise_for_status().json()).keys:
            if key.key_id == key_id:
                return key
        raise jwt.InvalidTokenError("AKV10042: the token's key is not known.")


def service(kept: Secrets, guard: Guard) -> Starlette:
    """The vault as an application."""
    commands: tuple[tuple[str, str, Callable[[Document, Document], Document | None]], ...] = (
        ("GET", "/secrets", lambda _, __: {"value": kept.listed(), "nextLink": None}),
        ("PUT", "/secrets/{name}", lambda path, body: kept.put(path["name"], body)),
        ("GET", "/secrets/{name}/versions", lambda path, _: {"value": kept.versions(path["name"]), "nextLink": None}),
        ("GET", "/secrets/{name}", lambda path, _: kept.get(path["name"], None)),
        # A client that names no version sends an empty one.
        ("GET", "/secrets/{name}/", lambda path, _: kept.get(path["name"], None)),
        ("GET", "/secrets/{name}/{version}", lambda path, _: kept.get(path["name"], path["version"])),
        ("PATCH", "/secrets/{name}/", lambda path, body: kept.update(path["name"], None, body)),
        ("PATCH", "/secrets/{name}/{version}", lambda path, body: kept.update(path["name"], path["version"], body)),
        ("DELETE", "/secrets/{name}", lambda path, _: kept.delete(path["name"])),
        ("GET", "/deletedsecrets/{name}", lambda path, _: kept.deleted(path["name"])),
        ("POST", "/deletedsecrets/{name}/recover", lambda path, _: kept.recover(path["name"])),
        ("DELETE", "/deletedsecrets/{name}", lambda path, _: kept.purge(path["name"])),
    )

    def route(method: str, path: str, command: Callable[[Document, Document], Document | None]) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                guard.check(request.headers.get("authorization", ""))
                _check_version(request.query_params.get("api-version"))
                answer = command(request.path_params, _object(await request.body()))
            except VaultError as error:
                headers = {"WWW-Authenticate": guard.challenge} if error.status == 401 else {}  # noqa: PLR2004
                return JSONResponse(error.body, error.status, headers)
            return Response(status_code=204) if answer is None else JSONResponse(answer)

        return Route(path, endpoint, methods=[method])

    return Starlette(routes=[route(*command) for command in commands])


def _check_version(version: str | None) -> None:
    if version not in _VERSIONS:
        raise VaultError(400, "BadParameter", "The specified api-version is missing or not supported.")


def _object(content: bytes) -> Document:
    try:
        body = json.loads(content) if content else {}
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise VaultError(400, "BadParameter", "The request body is no JSON object.")
    return body
