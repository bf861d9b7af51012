"""docs/cli.md, made of the table."""

from __future__ import annotations

import re

from .table import DIFFERS, REFUSED, SECTIONS, Row

BEGIN = "<!-- the table: made by tests/interop/same.py --page -->"
END = "<!-- the end of the table -->"

COMMANDS = {"p": "pub", "s": "sub", "r": "rr"}
HOW = {REFUSED: "refused", DIFFERS: "differs"}


def table() -> str:
    """All rows."""
    parts = [BEGIN, ""]
    for title, rows in SECTIONS:
        parts += [f"### {title}", "", "| option | of | meaning | here |", "| --- | --- | --- | --- |"]
        parts += [written(row) for row in rows]
        parts.append("")
    return "\n".join([*parts, END])


def written(row: Row) -> str:
    """One row."""
    names = ", ".join(f"`{name}`" for name in row.names)
    commands = ", ".join(COMMANDS[letter] for letter in row.commands)
    how = HOW.get(row.how, "the same")
    here = f"{how}; {row.note}" if row.note else how
    return f"| {names} | {commands} | {row.meaning} | {here.replace('|', chr(92) + '|')} |"


def renewed(page: str) -> str:
    """The page with the table of today."""
    before, _, rest = page.partition(BEGIN)
    _, _, behind = rest.partition(END)
    return f"{before}{table()}{behind}"


def missing(help_text: str, command: str) -> list[str]:
    """Options that the help of a program of Mosquitto's names and the table does not."""
    letter = next(letter for letter, name in COMMANDS.items() if name == command)
    known = {name for _, rows in SECTIONS for row in rows if letter in row.commands for name in row.names}
    named = set(re.findall(r"^ (--?[A-Za-z][a-z0-9-]*) :", help_text, re.M))
    named |= set(re.findall(r"\[(--[a-z0-9-]+)", help_text))
    return sorted(named - known)
