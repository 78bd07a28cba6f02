#!/usr/bin/env python3
"""The oldest Rust for each set of features, as `[package.metadata.msrv]` of idempotent-core states it.

    tests/ci/msrv.py check      compares it with what the dependencies in Cargo.lock ask for
    tests/ci/msrv.py sets       prints a line for each version: the version, then its features
    tests/ci/msrv.py features   prints every feature
    tests/ci/msrv.py table      prints the table for the documentation

A feature belongs to the set of the highest `rust-version` among the crates that it builds on this
machine. A version that is too low is a promise broken, one that is too high shuts users out.
"""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

CRATE = "idempotent-core"
MANIFEST = Path(__file__).resolve().parents[2] / CRATE / "Cargo.toml"


def version(text):
    """`1.85` and `1.85.0` are the same version."""
    return tuple(int(number) for number in text.split(".")[:2])


def stated():
    """Each feature's version as the manifest states it, and all features."""
    manifest = tomllib.loads(MANIFEST.read_text())
    sets = manifest["package"]["metadata"]["msrv"]
    return {feature: row for row, features in sets.items() for feature in features}, manifest["features"]


def cargo(*arguments):
    command = ["cargo", *arguments, "--locked"]
    return subprocess.run(command, cwd=MANIFEST.parent, check=True, capture_output=True, text=True).stdout


def asked_for():
    """For a feature: the highest `rust-version` in its tree, and a crate that states it."""
    packages = json.loads(cargo("metadata", "--format-version", "1"))["packages"]
    rust_versions = {(package["name"], package["version"]): package["rust_version"] for package in packages}

    def of(feature):
        tree = cargo("tree", "-p", CRATE, "-e", "normal,build", "--prefix", "none", "--no-default-features",
                     "--features", feature)
        crates = {tuple(line.split()[:2]) for line in tree.splitlines() if line}
        rows = ((rust_versions.get((name, number.removeprefix("v"))), name) for name, number in crates)
        return max((version(rust), name) for rust, name in rows if rust)

    return of


def check():
    rows, features = stated()
    faults = [f"{feature} is in no set" for feature in features if feature not in rows]
    faults += [f"{feature} is not a feature" for feature in rows if feature not in features]
    of = asked_for()
    for feature in features:
        needed, crate = of(feature)
        promised = version(rows.get(feature, "0.0"))
        print(f"{feature:<15} {rows.get(feature)}, by {crate}")
        if promised != needed:
            faults.append(f"{feature}: stated is {rows.get(feature)}, and {crate} asks for {'.'.join(map(str, needed))}")
    sys.exit("\n".join(faults) or None)


def sets():
    rows, _ = stated()
    return {row: sorted(feature for feature in rows if rows[feature] == row) for row in sorted(set(rows.values()), key=version)}


def main():
    match sys.argv[1:]:
        case ["check"]:
            check()
        case ["sets"]:
            for row, features in sets().items():
                print(row, ",".join(features))
        case ["features"]:
            print("\n".join(stated()[1]))
        case ["table"]:
            print("| Rust | features |\n|---|---|")
            for row, features in sets().items():
                print(f"| {row} | {', '.join(f'`{feature}`' for feature in features)} |")
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
