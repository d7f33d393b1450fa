"""The locks: what runs is what was tested, and nothing is fetched without a hash."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from packaging.requirements import Requirement

FOLDER = Path(__file__).parents[2] / "requirements"


def locked(name: str) -> dict[str, set[str]]:
    """Versions by package: some have several, of which each platform has one."""
    found: dict[str, set[str]] = defaultdict(set)
    for line in (FOLDER / name).read_text().replace("\\\n", "").splitlines():
        if line and not line.startswith(("#", " ")):
            of, *hashes = line.split(" --hash=")
            requirement = Requirement(of.split("    ")[0].strip())
            assert hashes, line
            assert all(each.strip().startswith("sha256:") for each in hashes), line
            found[requirement.name].add(f"{requirement.specifier} {requirement.marker or ''}")
    return found


def test_both_have_the_same_version_of_each_package() -> None:
    runtime, dev = locked("runtime.txt"), locked("dev.txt")
    assert len(runtime) > 50
    assert {name: versions for name, versions in runtime.items() if dev[name] != versions} == {}


@pytest.mark.parametrize("name", ["runtime.txt", "dev.txt", "bench.txt", "data.txt", "texts.txt"])
def test_each_package_has_one_exact_version_and_hashes(name: str) -> None:
    for package, versions in locked(name).items():
        assert all(version.startswith("==") and "," not in version.split()[0] for version in versions), (
            package
        )
