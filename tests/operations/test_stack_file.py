"""The stack's file: only the lines of the dates change, whoever wrote it."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from operations import lifetime, stack_file
from operations.errors import OperationError

BLOCK = """\
# The company's own.
encryptionsalt: v1:abc
config:
  identity-manager:organization: 'Contoso'   # as in the contract
  identity-manager:secrets:   # newest last
    # made by hand
    - "2027-11-24" # the agent holds it
    # and the next
    - '2028-05-24'
  identity-manager:protect: "true"
  azuread:environment: usgovernment
"""
NEW = date(2028, 11, 20)


def _dates(text: str) -> list[str]:
    return list(YAML(typ="safe").load(text)["config"]["identity-manager:secrets"])


def test_a_date_is_one_line_more_and_nothing_else() -> None:
    file = stack_file.read("dev", text=BLOCK)
    added = file.with_dates([*file.dates, NEW])
    assert added == BLOCK.replace("    - '2028-05-24'\n", "    - '2028-05-24'\n    - \"2028-11-20\"\n")
    retired = stack_file.read("dev", text=added).with_dates([NEW])
    assert retired == BLOCK.replace("    - '2028-05-24'\n", '    - "2028-11-20"\n').replace(
        '    - "2027-11-24" # the agent holds it\n', ""
    )


FORMS = [
    BLOCK,
    BLOCK.replace("\n", "\r\n"),
    BLOCK.removesuffix("\n"),
    'config:\n  identity-manager:secrets: ["2027-11-24"]  # short\n  a:b: c\n',
    'config:\n  identity-manager:secrets: [\n    "2027-11-24", # one\n    "2028-01-01",\n  ]\n',
    "config:\n  identity-manager:secrets: []\n",
    "config:\n  identity-manager:secrets:\n  a:b: c\n",
    "config:\n  identity-manager:secrets: ~\n",
    "config:\n  identity-manager:secrets: null # none yet\n  a:b: c\n",
    "config:\n  identity-manager:organization: Contoso\n",
    "config:\n    identity-manager:organization: Contoso",
    "config:\n",
    "config: {}\n",
    "",
    "# nothing yet\n",
    "encryptionsalt: v1:abc",
    'config:\n  identity-manager:secrets:\n  - "2027-11-24"\n  a:b: c\n',
    '---\nconfig:\n  identity-manager:secrets:\n    -   "2027-11-24"\n...\n',
    'config:\n  a:b: |\n    text\n      - "2027-11-24"\n  identity-manager:secrets:\n    - "2027-11-24"',
]


@pytest.mark.parametrize("text", FORMS)
def test_any_way_to_write_the_file_takes_a_date_and_keeps_all_else(text: str) -> None:
    file = stack_file.read("dev", text=text)
    added = file.with_dates([*file.dates, NEW])
    assert _dates(added) == [*map(str, file.dates), str(NEW)]
    assert stack_file.read("dev", text=added).with_dates([NEW]).count(str(NEW)) == 1
    before, after = (YAML(typ="safe").load(one) or {} for one in (text, added))
    (after.get("config") or {}).pop("identity-manager:secrets")
    (before.get("config") or {}).pop("identity-manager:secrets", None)
    assert (before.pop("config", None) or {}) == (after.pop("config", None) or {})
    assert before == after
    if "\r\n" in text:
        assert added.count("\n") == added.count("\r\n")
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            assert line in added.splitlines()


IDS: stack_file.Ids = {
    "application": "55555555-5555-4555-8555-555555555555",
    "grants": {"MicrosoftGraph/Directory.Read.All": "1e5-_x"},
}


@pytest.mark.parametrize("text", FORMS)
def test_any_way_to_write_the_file_takes_the_ids_to_adopt_and_others_in_their_place(text: str) -> None:
    first = stack_file.read("dev", text=text).with_adopt(IDS)
    other = {"servicePrincipal": "66666666-6666-4666-8666-666666666666"}
    second = stack_file.read("dev", text=first)
    assert second.adopts
    assert second.dates == stack_file.read("dev", text=text).dates
    assert second.with_adopt(IDS) == first
    replaced = second.with_adopt(other)
    before, after = (YAML(typ="safe").load(one) or {} for one in (text, replaced))
    assert (after.get("config") or {}).pop("identity-manager:adopt") == other
    assert (before.pop("config", None) or {}) == (after.pop("config", None) or {})
    assert before == after
    if "\r\n" in text:
        assert replaced.count("\n") == replaced.count("\r\n")
    assert {line for line in text.splitlines() if "#" in line} <= set(replaced.splitlines())


def test_ids_that_fit_in_no_line_are_told_instead_of_written() -> None:
    file = stack_file.read("dev", text="config: {a:b: c}\n")
    with pytest.raises(OperationError) as refused:
        file.with_adopt(IDS)
    assert 'application: "55555555' in refused.value.mend


days = st.dates(date(2026, 1, 1), date(2040, 1, 1))


@given(days)
def test_a_secret_lives_from_tomorrow_to_two_years(today: date) -> None:
    latest = lifetime.latest(today)
    assert latest.year == today.year + 2
    assert lifetime.refusal(today, today)
    assert not lifetime.refusal(today + timedelta(days=1), today)
    assert not lifetime.refusal(latest, today)
    assert lifetime.refusal(latest + timedelta(days=1), today)
