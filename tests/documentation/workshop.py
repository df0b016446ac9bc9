"""The place where the commands of pages run: a copy of the project, a sandbox of its own, stand-ins for outside tools.

Owns the copy and what is on PATH in it. What commands do there is the business of the project's own programs.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.documentation import doubles
from tests.documentation.pages import Page
from tests.stack.project import ROOT, Ran

LONG_AGO = (0, 0)
TOOL = """\
#!/bin/sh
exec {python} {program} {name} "$@"
"""
PULUMI = """\
#!/bin/sh
# What reaches out of the machine stays in the test's folder, once its options are checked; all else is the engine.
real="$REAL_PULUMI"
for word in "$@"; do
  case $word in
    --secrets-provider=azurekeyvault://*.vault.azure.net/keys/*) shift ;;
    *) shift; set -- "$@" "$word" ;;
  esac
done
case "${PULUMI_BACKEND_URL:-}" in
  azblob://*'?storage_account='*) export PULUMI_BACKEND_URL="$STATE_IN_THE_PLACE_OF_AZURE" ;;
esac
case "${1:-}" in
  login|install)
    for word in "$@"; do
      case $word in
        --*) "$real" "$1" --help | grep -q -e "${word%%=*}" || { echo "pulumi $1 takes no $word"; exit 1; } ;;
      esac
    done ;;
  *) exec "$real" "$@" ;;
esac
"""
DAY_IN = """\
#!/bin/sh
exec {python} -c 'import datetime, sys
print((datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=int(sys.argv[1]))).date())' "$1"
"""
IN_THE_SANDBOX = """\
export REAL_PULUMI="$(command -v pulumi)"
export PATH="$DOUBLES:$PATH" HOME="$HOME_OF_THE_PAGE"
for script; do sh "$script"; done
"""


class Workshop:
    """A copy of the project for the commands of some pages."""

    def __init__(self, folder: Path) -> None:
        self.scripts = folder / "scripts"
        self.project = folder / "project"
        self.home = folder / "sandbox"
        self.doubles = folder / "doubles"
        self.user = folder / "home"
        self.blobs = folder / "blobs"
        for made in (self.scripts, self.project, self.doubles, self.user, self.blobs):
            made.mkdir()
        self._copy()
        self._put_doubles()

    def run(self, chain: Sequence[Page]) -> Ran:
        """Run the commands of pages, one page after the other."""
        scripts = [self.scripts / f"{number}-{page.name}.sh" for number, page in enumerate(chain)]
        for script, page in zip(scripts, chain, strict=True):
            script.write_text(page.script())
        [identity] = {page.identity for page in chain}
        person = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in PERSON.items()}
        ran = subprocess.run(
            [".venv/bin/python", "-m", "sandbox", "exec", "--as", identity, "--", "sh", "-euc", IN_THE_SANDBOX, "sh"]
            + [str(script) for script in scripts],
            cwd=self.project,
            env={
                **os.environ,
                **person,
                "COLUMNS": "120",
                "DOUBLES": str(self.doubles),
                "HOME_OF_THE_PAGE": str(self.user),
                # What the pages install is here already; nothing is fetched, and nothing else is put in its place.
                "PIP_NO_INDEX": "1",
                "PULUMI_SKIP_CONFIRMATIONS": "true",
                "SANDBOX_HOME": str(self.home),
                "STATE_IN_THE_PLACE_OF_AZURE": f"{self.blobs.as_uri()}?metadata=skip",
                # The engine is not built again for the other home.
                "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Ran(ran.returncode, ran.stdout)

    def _copy(self) -> None:
        listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, listed.split("\0")):
            source, target = ROOT / name, self.project / name
            if source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
                # `make` must not find the environment older than the requirements, and fill it anew.
                os.utime(target, LONG_AGO)
        for command in (
            ("init", "--quiet", "--initial-branch", "main"),
            ("add", "."),
            ("-c", "user.name=Ada", "-c", "user.email=ada@contoso.example", "commit", "--quiet", "-m", "The project"),
            ("update-ref", "refs/remotes/origin/main", "HEAD"),
        ):
            subprocess.run(["git", *command], cwd=self.project, check=True)
        # What git ignores is a folder of this name: a link has to be named.
        (self.project / ".git" / "info" / "exclude").write_text(".venv\n")
        (self.project / ".venv").symlink_to(sys.prefix)

    def _put_doubles(self) -> None:
        program = Path(doubles.__file__)
        texts = {
            "pulumi": PULUMI,
            "day_in": DAY_IN.format(python=sys.executable),
            **{name: TOOL.format(python=sys.executable, program=program, name=name) for name in ("az", "gh")},
        }
        for name, text in texts.items():
            (self.doubles / name).write_text(text)
            (self.doubles / name).chmod(0o755)


PERSON = {"NAME": "Ada", "EMAIL": "ada@contoso.example"}
