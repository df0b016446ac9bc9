"""The portal page shows people what the product's guide has them look at, in a browser without script."""

import re
import shutil
import struct
import subprocess
import zlib
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.tenant.conftest import DIRECTORY_READ_ALL, GRAPH, RunningTenant, application, grant, principal, secret

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def registered(admin: httpx.Client) -> dict[str, Any]:
    """An application as the guide registers it, not consented yet."""
    access = {"resourceAppId": GRAPH, "resourceAccess": [{"id": DIRECTORY_READ_ALL, "type": "Role"}]}
    app = application(admin, requiredResourceAccess=[access])
    secret(admin, app, displayName="Identity Manager Contoso Secret", endDateTime="2031-05-17T00:00:00Z")
    return app


def _text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_the_page_shows_ids_secrets_and_consent(
    admin: httpx.Client, tenant: RunningTenant, registered: dict[str, Any]
) -> None:
    holder = principal(admin, registered)
    (kept,) = admin.get(f"/applications/{registered['id']}").json()["passwordCredentials"]
    article = tenant.http.get("/").text.partition(f'id="app-{registered["appId"]}"')[2].partition("</article>")[0]
    text = _text(article)
    assert f"Application (client) ID {registered['appId']}" in text
    assert f"Directory (tenant) ID {tenant.tenant_id}" in text
    assert f"Identity Manager Contoso Secret 2031-05-17 {kept['hint']}***" in text
    assert "Microsoft Graph Directory.Read.All Application" in text
    assert "⚠ Not granted for Contoso" in text
    grant(admin, holder)
    article = tenant.http.get("/").text.partition(f'id="app-{registered["appId"]}"')[2].partition("</article>")[0]
    assert "✓ Granted for Contoso" in _text(article)
    assert "Not granted" not in article


def test_an_expired_secret_is_shown_as_expired(tenant: RunningTenant, registered: dict[str, Any]) -> None:
    tenant.control.put("/clock", json={"shiftSeconds": 3650 * 86400})
    assert registered["appId"] in tenant.http.get("/").text
    assert "⚠ Expired 2031-05-17" in tenant.http.get("/").text


def test_the_page_holds_no_script_and_no_secret(admin: httpx.Client, tenant: RunningTenant) -> None:
    app = application(admin, "<script>alert('x')</script>")
    shown = secret(admin, app)
    answer = tenant.http.get("/")
    assert "<script" not in answer.text
    assert "&lt;script&gt;" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert shown["secretText"] not in answer.text


def test_the_page_changes_nothing(tenant: RunningTenant) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert tenant.http.request(method, "/").status_code == 405


def test_many_registrations_are_paged_newest_first(admin: httpx.Client, tenant: RunningTenant) -> None:
    for number in range(52):
        application(admin, f"Many {number}")
    first = tenant.http.get("/").text
    assert "Many 51" in first
    assert "Many 1<" not in first
    (older,) = re.findall(r'href="(/\?before=\d+)"', first)
    assert "Many 1<" in tenant.http.get(older).text


def _browse(tenant: RunningTenant, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert _CHROMIUM
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors", f"--user-data-dir={folder}"]
    return subprocess.run(
        [_CHROMIUM, *flags, *arguments, tenant.url], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.skipif(_CHROMIUM is None, reason="Debian's chromium is not installed")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_browser_shows_the_page_in_both_themes(
    tenant: RunningTenant, tmp_path: Path, registered: dict[str, Any], theme: str
) -> None:
    picture = tmp_path / "page.png"
    dark = (
        ["--blink-settings=preferredColorScheme=0"] if theme == "dark" else ["--blink-settings=preferredColorScheme=1"]
    )
    ran = _browse(tenant, tmp_path / "profile", *dark, "--window-size=1200,1600", f"--screenshot={picture}")
    assert picture.exists(), ran.stderr
    corner = _pixel(picture)
    assert (sum(corner) < 200) == (theme == "dark"), corner
    dump = _browse(tenant, tmp_path / "other", "--dump-dom").stdout
    assert registered["appId"] in dump


def _pixel(picture: Path) -> tuple[int, int, int]:
    """The colour of the picture's lower left corner: the ground of the page."""
    data, at, packed, size, depth = picture.read_bytes(), 8, b"", (0, 0), 3
    while at < len(data):
        (length,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        if kind == b"IHDR":
            size = struct.unpack(">II", data[at + 8 : at + 16])
            depth = 4 if data[at + 17] == 6 else 3
        if kind == b"IDAT":
            packed += data[at + 8 : at + 8 + length]
        at += 12 + length
    raw, stride = zlib.decompress(packed), size[0] * depth + 1
    above = bytes(depth)
    for row in range(size[1]):
        line = raw[row * stride : (row + 1) * stride]
        added = above if line[0] in (2, 4) else bytes(one // 2 for one in above) if line[0] == 3 else bytes(depth)
        above = bytes((one + other) & 255 for one, other in zip(line[1 : 1 + depth], added, strict=True))
    return above[0], above[1], above[2]
