#!/usr/bin/env python3
"""Prints the licences of all that is compiled into burgee: each package with its own texts, equal texts once.

It takes part only what is linked into the program for this target: no tests, no build scripts. A package without a licence
file in its archive is named with what its manifest says. Usage: third-party.py [TARGET]
"""

import collections
import json
import pathlib
import subprocess
import sys

NAMES = ("licen", "copying", "notice", "unlicense", "copyright")


def cargo(*arguments: str) -> str:
    return subprocess.run(["cargo", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def texts_of(folder: pathlib.Path) -> list[str]:
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name.lower().startswith(NAMES))
    return [path.read_text(encoding="utf-8", errors="replace").strip() for path in files]


def main() -> None:
    target = sys.argv[1:2]
    narrowed = ["--target", target[0]] if target else []
    tree = cargo("tree", "--locked", "-p", "burgee", "-e", "normal", "--prefix", "none", "-f", "{p}", *narrowed)
    linked = {tuple(line.split()[:2]) for line in tree.splitlines() if line.strip()}
    packages = json.loads(cargo("metadata", "--locked", "--format-version", "1"))["packages"]
    shared: dict[str, list[str]] = collections.OrderedDict()
    bare: list[str] = []
    for package in sorted(packages, key=lambda package: package["name"]):
        if package["source"] is None or (package["name"], "v" + package["version"]) not in linked:
            continue
        title = f"{package['name']} {package['version']} ({package['license']})"
        texts = texts_of(pathlib.Path(package["manifest_path"]).parent)
        if not texts:
            bare.append(title)
        for text in texts:
            shared.setdefault(text, []).append(title)
    print("What burgee is built from, and the licences of it.")
    print("\nSQLite, which is compiled in through libsqlite3-sys, is in the public domain.\n"
          "Rust's standard library: MIT OR Apache-2.0, with the texts as below.")
    if bare:
        print("\nWithout a licence file of their own, but with a licence in their manifest:")
        print("".join(f"  {title}\n" for title in bare), end="")
    for text, titles in shared.items():
        print("\n" + "-" * 78)
        print("".join(f"{title}\n" for title in titles))
        print(text)


main()
