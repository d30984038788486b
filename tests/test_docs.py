"""What the documentation shows is what there is."""

import re

import pytest

from agent import cli, topics
from agent.settings import PROJECT, Settings


def between(page: str, name: str) -> str:
    """The part of a page between its markers."""
    text = (PROJECT / page).read_text(encoding="utf-8")
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", text, flags=re.DOTALL)
    assert found, f"{page} has no part {name}"
    return found[1]


def settings_table() -> str:
    """The table of all settings."""
    rows = ["| setting | default | |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = str(field.default).replace(str(PROJECT) + "/", "")
        rows.append(f"| `FUNCGEMMA_{name.upper()}` | `{default}` | {field.description} |")
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize("page", ["README.md", "docs/bus.md"])
def test_topic_table_is_the_one_in_the_code(page: str) -> None:
    """Readers see the topics that there are."""
    assert between(page, "topics") == topics.markdown()


@pytest.mark.parametrize("page", ["README.md", "docs/functions.md"])
def test_example_is_the_file_that_the_tests_run(page: str) -> None:
    """The ten lines in the documentation work."""
    example = (PROJECT / "examples" / "python" / "dice_roll.py").read_text(encoding="utf-8")
    assert between(page, "dice") == f"```python\n{example}```\n"


def test_settings_table_is_complete() -> None:
    """Every setting is documented with its default."""
    assert between("docs/operations.md", "settings") == settings_table()


def test_readme_names_every_command_and_only_those() -> None:
    """The commands in the README exist, and none is missing."""
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    help_text = cli._parser().format_help()
    there = set(re.findall(r"^    (\w+) ", help_text, flags=re.MULTILINE))
    assert there
    table = re.search(r"## Commands\n(.*?)\n## ", readme, flags=re.DOTALL)
    assert table
    assert there == set(re.findall(r"`(?:funcgemma )?([a-z]+)[ `]", table[1])) & there


def test_files_named_in_the_readme_exist() -> None:
    """The file tree shows what is there."""
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    tree = re.search(r"## The files\n\n```\n(.*?)```", readme, flags=re.DOTALL)
    assert tree
    folder = ""
    for line in tree[1].splitlines():
        name = line.split()[0]
        if not line.startswith(" "):
            folder = name
        assert (PROJECT / (name if name == folder else folder + name)).exists(), line
