"""`diff`: what a change declares, with no Azure, no state and no secret.

Owns a sandbox for the time of one command: the base commit's program brings the base commit's stack up in it, and the
program of the working tree is previewed against that. It leaves both as they are: copies are run. The sandbox is used
by its command line alone.

A copy's stack file is made one of the sandbox's: settings of the azuread plugin and of the encryption go, since they
lead to the real tenant and its keys; an encrypted value, which nobody can read here, is replaced by a secret that is
the same wherever the cipher text is the same. Owners do not exist in the sandbox's tenant: each gets a stand-in there,
and the plan shows the real object ids again.
"""

import hashlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path

import httpx
from pydantic import JsonValue, TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from operations import clock
from operations.comment import report, stack_name
from operations.errors import OperationError
from operations.plan import read_plan
from operations.report import Report
from operations.stack_file import PROJECT
from settings import GUID

_NOTHING = "Nothing was compared."
_GUARD = "identity-manager:sandbox"
_OWNING = ("identity-manager:deployer", "identity-manager:owners")
_SECRETS = "identity-manager:secrets"
_SECONDS_A_DAY = 86_400
_LAST_LINES = 40
_ENVIRONMENT = "import json, os, sys; print(json.dumps(dict(os.environ)), flush=True); sys.stdin.read()"

_Config = dict[str, JsonValue]
_Encrypted = dict[str, str]
"""Stand-ins of encrypted values by their paths in the configuration, as `pulumi config set --path` takes them."""


def difference(stack: str, base: str, *, as_markdown: bool) -> Report:
    """Compare the working tree with a commit.

    Args:
        stack: The stack.
        base: The commit, by any name that git knows.
        as_markdown: Whether to print the comment.

    Raises:
        OperationError: The commit or the stack's file is missing, or the base cannot be brought up.
    """
    name = stack_name(stack)
    commit = _commit(base)
    with tempfile.TemporaryDirectory(prefix="identity-manager-") as temporary:
        folder = Path(temporary)
        before, after = folder / "base", folder / "head"
        _copy_commit(commit, before)
        _copy_working_tree(after)
        file = f"Pulumi.{name}.yaml"
        if not (after / file).is_file():
            raise OperationError(f"{PROJECT / file} does not exist.", _NOTHING, f"pulumi stack init {name}")
        is_new = not (before / file).is_file()
        with _sandbox(folder / "sandbox") as environment:
            sandbox = _Sandbox(environment, name)
            events, stand_ins = sandbox.compare(before, after, is_new=is_new)
            encrypted, imports = sandbox.encrypted, sandbox.imports
    text = "\n".join(events)
    for stand_in, real in stand_ins.items():
        text = text.replace(stand_in, real)
    notes = [f"What the change declares, compared with {commit[:12]} in a sandbox; the real tenant was not asked."]
    if is_new:
        notes.append(f"The stack is new: {commit[:12]} has no {file}.")
    if encrypted:
        notes.append("Encrypted settings cannot be read here; stand-ins took their place.")
    if imports:
        notes.append("Pulumi ESC is not asked here: what the file's `environment:` imports is missing on both sides.")
    return report(read_plan(text.splitlines(), "the preview"), name, as_markdown=as_markdown, notes=notes)


class _Sandbox:
    """The commands of one comparison, in the environment that the sandbox gives."""

    def __init__(self, environment: Mapping[str, str], name: str) -> None:
        self._environment = environment
        self._name = name
        self._file = f"Pulumi.{name}.yaml"
        self.encrypted = False
        self.imports = False

    def compare(self, before: Path, after: Path, *, is_new: bool) -> tuple[list[str], dict[str, str]]:
        """Bring the base up and preview the head.

        Returns:
            The preview's events, and the real owners by the object ids of their stand-ins.
        """
        stand_ins: dict[str, str] = {}
        files = {folder: _read(folder / self._file) for folder in ([after] if is_new else [before, after])}
        configs = {folder: _config(file, folder / self._file) for folder, file in files.items()}
        self.imports = any(file.get("environment") for file in files.values())
        if not is_new:
            stand_ins = self._stand_in_for(_owners(configs[before]))
        real = {owner: stand_in for stand_in, owner in stand_ins.items()}
        first = after if is_new else before
        # The engine makes the stack's encryption here, once: the other copy gets the same salt.
        (first / self._file).rename(first / f"{self._file}.real")
        self._must(first, "stack", "init", self._name)
        salt = (first / self._file).read_text(encoding="utf-8") if (first / self._file).exists() else ""
        for folder, config in configs.items():
            self._write(folder, config, real, salt)
        if not is_new:
            # A directory takes no secret that has ended: it was still to come when the real one was made.
            with self._day_before(_dates(configs[before])) as earlier:
                _Sandbox(earlier, self._name)._must(
                    before, "up", "--yes", "--skip-preview", "--suppress-outputs", *self._stack
                )
        log = after.parent / "events.jsonl"
        ran = self._pulumi(after, "preview", "--suppress-outputs", "--event-log", str(log), *self._stack)
        if not log.exists():
            raise _failed("The preview of the working tree did not start", ran, "correct the working tree")
        return log.read_text(encoding="utf-8").splitlines(), stand_ins

    @contextmanager
    def _day_before(self, ends: Sequence[date]) -> Iterator[Mapping[str, str]]:
        """Let it be the day before the first of these dates in the sandbox's tenant, if that day is past.

        Yields:
            The environment for commands of that day.
        """
        days = (min(ends) - clock.today()).days - 1 if ends else 0
        if days >= 0:
            yield self._environment
            return
        # The administrator signs in on that day as well.
        begin = (clock.today() + timedelta(days=days - 1)).isoformat()
        with self._administrator() as graph:
            application = f"/applications(appId='{self._environment['ARM_CLIENT_ID']}')"
            body = {"passwordCredential": {"startDateTime": f"{begin}T00:00:00Z"}}
            secret = graph.post(f"{application}/addPassword", json=body).raise_for_status().json()["secretText"]
        earlier = {**self._environment, "ARM_CLIENT_SECRET": str(secret)}
        tenant = Path(self._environment["SANDBOX_HOME"]) / "tenant" / "endpoint.json"
        endpoint = TypeAdapter(dict[str, JsonValue]).validate_json(tenant.read_bytes())
        headers = {"Authorization": f"Bearer {endpoint['controlKey']}"}
        with httpx.Client(base_url=str(endpoint["controlUrl"]), headers=headers, trust_env=False) as control:
            control.put("/clock", json={"shiftSeconds": days * _SECONDS_A_DAY}).raise_for_status()
            try:
                yield earlier
            finally:
                control.put("/clock", json={"shiftSeconds": 0}).raise_for_status()

    @property
    def _stack(self) -> Sequence[str]:
        return ("--stack", self._name, "--non-interactive")

    def _pulumi(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        # The engine has --event-log among the options for debugging.
        environment = {**self._environment, "PULUMI_DEBUG_COMMANDS": "true"}
        return subprocess.run(
            ["pulumi", *arguments],  # noqa: S607 - the sandbox's PATH names it
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def _must(self, folder: Path, *arguments: str) -> None:
        ran = self._pulumi(folder, *arguments)
        if ran.returncode != 0:
            raise _failed(
                f"The {folder.name} does not come up in the sandbox (pulumi {arguments[0]})",
                ran,
                "name a base whose stack is good: --base REF",
            )

    def _write(self, folder: Path, config: _Config, real: Mapping[str, str], salt: str) -> None:
        """Write a copy's stack file as one of the sandbox's."""
        encrypted: _Encrypted = {}
        plain = {
            key: _without_encrypted(value, f'["{key}"]', encrypted)
            for key, value in config.items()
            if not key.startswith("azuread:")
        }
        for key in _OWNING:
            if key in plain:
                plain[key] = _replaced(plain[key], real)
        plain[_GUARD] = "true"
        settings = {**YAML(typ="safe", pure=True).load(salt or "{}"), "config": plain}
        with (folder / self._file).open("w", encoding="utf-8") as file:
            YAML(typ="safe", pure=True).dump(settings, file)
        for path, value in encrypted.items():
            self.encrypted = True
            self._must(folder, "config", "set", "--secret", "--path", path, value, *self._stack)

    def _stand_in_for(self, owners: Sequence[str]) -> dict[str, str]:
        """Make a service principal in the sandbox's tenant for each owner."""
        if not owners:
            return {}
        made = {}
        with self._administrator() as graph:
            for owner in owners:
                body = {"displayName": f"Owner {owner}"}
                application = graph.post("/applications", json=body).raise_for_status().json()
                body = {"appId": application["appId"]}
                principal = graph.post("/servicePrincipals", json=body).raise_for_status().json()
                made[str(principal["id"])] = owner
        return made

    @contextmanager
    def _administrator(self) -> Iterator[httpx.Client]:
        """Microsoft Graph of the sandbox's tenant."""
        variables = self._environment
        host = f"https://{variables['ARM_METADATA_HOSTNAME']}"
        trust = ssl.create_default_context(cafile=variables["SSL_CERT_FILE"])
        with httpx.Client(base_url=f"{host}/v1.0", verify=trust, trust_env=False, timeout=30) as graph:
            form = {
                "grant_type": "client_credentials",
                "client_id": variables["ARM_CLIENT_ID"],
                "client_secret": variables["ARM_CLIENT_SECRET"],
                "scope": f"{host}/.default",
            }
            address = f"{host}/{variables['ARM_TENANT_ID']}/oauth2/v2.0/token"
            token = graph.post(address, data=form).raise_for_status().json()["access_token"]
            graph.headers["Authorization"] = f"Bearer {token}"
            yield graph


@contextmanager
def _sandbox(home: Path) -> Iterator[dict[str, str]]:
    """A sandbox of its own, and the environment of its commands.

    The tenant's administrator brings the base up: who owns what it makes is then for the settings alone to say.
    """
    keeper = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "exec", "--as", "admin", "--", sys.executable, "-c", _ENVIRONMENT],
        cwd=PROJECT,
        env={**os.environ, "SANDBOX_HOME": str(home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert keeper.stdout is not None  # noqa: S101 - a pipe was asked for
        printed = keeper.stdout.readline()
        if not printed:
            raise OperationError(
                "The sandbox does not start; it said why above.",
                _NOTHING,
                "make it start: python -m sandbox exec -- true",
            )
        yield TypeAdapter(dict[str, str]).validate_json(printed)
    finally:
        keeper.communicate()


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, check=False)  # noqa: S607


def _commit(base: str) -> str:
    ran = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}")
    if ran.returncode != 0:
        raise OperationError(
            f"{base!r} is no commit here.",
            _NOTHING,
            "git fetch origin, then name a commit, for instance --base origin/main",
        )
    return ran.stdout.decode().strip()


def _copy_commit(commit: str, target: Path) -> None:
    target.mkdir()
    ran = _git("archive", "--format=tar", commit)
    if ran.returncode != 0:
        raise OperationError(f"git cannot read {commit}: {ran.stderr.decode().strip()}.", _NOTHING, "git fsck")
    with tarfile.open(fileobj=BytesIO(ran.stdout)) as archive:
        archive.extractall(target, filter="data")
    _link_interpreter(target)


def _copy_working_tree(target: Path) -> None:
    """Copy what the working tree would commit, and nothing that git ignores."""
    target.mkdir()
    listed = _git("ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout.decode().split("\0")
    for name in filter(None, listed):
        source = PROJECT / name
        if source.is_file() and not source.is_symlink():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target / name)
    _link_interpreter(target)


def _link_interpreter(folder: Path) -> None:
    """Let Pulumi's language host find this interpreter's packages where it looks for them."""
    (folder / ".venv").symlink_to(sys.prefix)


def _read(path: Path) -> dict[str, JsonValue]:
    try:
        loaded = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")) or {}
        # Through JSON, as the engine reads it: a date without quotation marks is text there.
        return TypeAdapter(dict[str, JsonValue]).validate_json(json.dumps(loaded, default=str))
    except (YAMLError, UnicodeDecodeError, ValidationError, ValueError) as error:
        raise _no_settings(path, error) from None


def _config(file: Mapping[str, JsonValue], path: Path) -> _Config:
    try:
        return TypeAdapter(_Config).validate_python(file.get("config") or {})
    except ValidationError as error:
        raise _no_settings(path, error) from None


def _no_settings(path: Path, error: Exception) -> OperationError:
    return OperationError(
        f"{path.name} of the {path.parent.name} holds no settings: {str(error).splitlines()[0]}.",
        _NOTHING,
        f"correct {path.name}",
    )


def _dates(config: _Config) -> list[date]:
    found = [clock.parsed(one) for one in _texts(config.get(_SECRETS))]
    return [one for one in found if one]


def _owners(config: _Config) -> list[str]:
    found = [one for key in _OWNING for one in _texts(config.get(key))]
    return list(dict.fromkeys(one for one in found if GUID.fullmatch(one)))


def _texts(value: JsonValue) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [value] if isinstance(value, str) else []


def _replaced(value: JsonValue, by: Mapping[str, str]) -> JsonValue:
    if isinstance(value, list):
        return [_replaced(one, by) for one in value]
    return by.get(value, value) if isinstance(value, str) else value


def _without_encrypted(value: JsonValue, path: str, found: _Encrypted) -> JsonValue:
    """A value without the encrypted parts of it, whose stand-ins go into `found`."""
    if isinstance(value, dict):
        if set(value) == {"secure"}:
            fingerprint = hashlib.sha256(str(value["secure"]).encode()).hexdigest()[:12]
            found[path] = f"encrypted-{fingerprint}"
            return found[path]
        return {key: _without_encrypted(one, f'{path}["{key}"]', found) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_encrypted(one, f"{path}[{number}]", found) for number, one in enumerate(value)]
    return value


def _failed(what: str, ran: subprocess.CompletedProcess[str], mend: str) -> OperationError:
    last = "\n".join((ran.stdout + ran.stderr).strip().splitlines()[-_LAST_LINES:])
    return OperationError(f"{what}:\n{last}\n", _NOTHING, mend)
