"""The commands of docs/quick-start.md, as they are taken from the page. tests/e2e/test_docs_steps.py runs them."""

from release.quick_start import ENVIRONMENT, MOST_COMMANDS, PAGE, commands

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven")


def test_commands_are_found_with_their_here_documents() -> None:
    page = "# Page\n\n```bash\ngit clone x\ncat > a <<'END'\n$b\n\nc\nEND\nmake d   # why\n```\n\n```bash\nno\n```\n"
    assert commands(page) == ["git clone x\n", "cat > a <<'END'\n$b\n\nc\nEND\n", "make d   # why\n"]
    assert commands("no shell") == []


def test_the_page_leads_from_git_clone_to_messages_in_few_commands() -> None:
    text = PAGE.read_text(encoding="utf-8")
    typed = commands(text)
    assert typed[0].startswith("git clone ")
    assert typed[-1] == f"{ENVIRONMENT}/bin/watcherctl tail shop --follow\n"
    assert len(typed) <= MOST_COMMANDS
    assert f"{NUMBERS[len(typed)].capitalize()} commands lead" in text
