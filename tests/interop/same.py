"""Runs the same command lines through Mosquitto's programs and ours, and writes or checks docs/cli.md.

Started by scripts/interop. By hand: tests/interop/same.py --burgee PATH [--only TEXT] [--page]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from interop.broker import Burgee
from interop.clients.cli import run
from interop.limits import Failure, check, same
from interop.same.lines import Line, Programs
from interop.same.page import missing, renewed
from interop.same.table import REFUSED, RETAINED, SECTIONS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
SIDE_BY_SIDE = 12


def main() -> int:
    """Compare, print what differs, and return the process's status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--burgee", type=Path, required=True, help="the program under test")
    parser.add_argument("--only", default="", help="only command lines that hold this text")
    parser.add_argument("--page", action="store_true", help="write docs/cli.md instead")
    arguments = parser.parse_args()
    if arguments.page:
        PAGE.write_text(renewed(PAGE.read_text()))
        return 0
    start = time.monotonic()
    problems = [*wrong_page(), *wrong_help(arguments.burgee.resolve())]
    count, more = compared(arguments.burgee.resolve(), arguments.only)
    problems += more
    for problem in problems:
        print(f"FAIL  {problem}")
    seconds = time.monotonic() - start
    print(f"{count} command lines through both, {len(problems)} problems ({seconds:.0f} s)")
    return 1 if problems or not count else 0


def wrong_page() -> list[str]:
    """Whether the page is that of today's table."""
    page = PAGE.read_text()
    return [] if renewed(page) == page else ["docs/cli.md is not what the table says: run tests/interop/same.py --page"]


def wrong_help(burgee: Path) -> list[str]:
    """Every option of theirs is in the table, and what the table has is in our help or refused with a word."""
    problems = []
    for command in ("pub", "sub", "rr"):
        theirs = run([f"mosquitto_{command}", "--help"]).out.decode()
        problems += [f"mosquitto_{command} {one}: not in the table" for one in missing(theirs, command)]
        ours = run([str(burgee), command, "--help"]).out.decode()
        for row in (row for _, rows in SECTIONS for row in rows if command[0] in row.commands):
            for name in row.names:
                if row.how == REFUSED:
                    ended = run([str(burgee), command, "-t", "x", name, "1"])
                    if ended.code != 1 or name not in ended.errors:
                        problems.append(f"burgee {command} {name}: {ended}")
                elif name not in ours and name != "--version":
                    problems.append(f"burgee {command} --help does not name {name}")
    return problems


def compared(burgee: Path, only: str) -> tuple[int, list[str]]:
    """The number of command lines, and what came out differently."""
    lines = [line for _, rows in SECTIONS for row in rows for line in row.lines if only in line.shown()]
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "file").write_bytes(b"\0of a file\n")
        (folder / "empty").write_bytes(b"")
        broker = Burgee(burgee, 1, "memory", folder)
        try:
            secure = next(one for one in broker.others if one.scheme == "mqtts")
            programs = Programs(
                burgee, (broker.endpoint.host, broker.endpoint.port), (secure.host, secure.port), folder
            )
            programs.publish(tuple((topic, payload, True) for topic, payload in RETAINED.items()), "all")

            def one(numbered: tuple[int, Line]) -> str | None:
                number, line = numbered
                problem = programs.compare(number, line)
                return problem and f"{line.shown()}: {problem}"

            with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
                problems = [problem for problem in pool.map(one, enumerate(lines)) if problem]
            problems += files_of_options(programs, folder)
            if trouble := broker.trouble():
                problems.append(trouble)
        finally:
            broker.stop()
    return len(lines), problems


def files_of_options(programs: Programs, folder: Path) -> list[str]:
    """Mosquitto's files of options are ours, too."""
    problems = []
    (folder / "mosquitto_pub").write_text("# a comment\n-t same/of file\n\n-q 1\n-r\n")
    (folder / "mosquitto_sub").write_text("-t same/q/a\n-v\n-T same/q/b\n")
    for number, line in enumerate(
        (
            Line("pub", ("-i", "{id}", "-m", "x")),
            Line("pub", ("-i", "{id}", "-m", "x", "-t", "same/typed", "-q", "2")),
            Line("sub", ("-i", "{id}", "-t", "same/q/c", "-C", "2")),
        ),
        900,
    ):
        if problem := programs.compare(number, line):
            problems.append(f"with a file of options, {line.shown()}: {problem}")
    try:
        (folder / "burgee_pub").write_text("--no-such-option 1\n")
        ended = run([str(programs.burgee), "pub", "-o", str(folder / "burgee_pub"), "-t", "x", "-n"])
        same(ended.code, 1, "status")
        check("burgee_pub:1" in ended.errors, f"file and line stand in {ended.errors!r}")
    except Failure as failure:
        problems.append(f"a wrong file of options: {failure}")
    return problems


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, subprocess.SubprocessError) as failure:
        print(f"FAIL  {failure}")
        sys.exit(1)
