"""docs/clients.md says what the settings are."""

from __future__ import annotations

import re
from pathlib import Path

from loopin_producers.django.conf import SETTINGS

PAGE = (Path(__file__).parents[3] / "docs" / "clients.md").read_text(encoding="utf-8")


def test_every_setting_is_described_as_in_the_code() -> None:
    section = PAGE.split("\n## Django\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([A-Z_]+)` \| `([^`]+)` \| (.+) \|$", section, re.MULTILINE)
    assert [key for key, _, _ in rows] == [setting.key for setting in SETTINGS]
    for (_, default, meaning), setting in zip(rows, SETTINGS, strict=True):
        assert meaning.startswith(setting.help)
        if setting.default is None:
            assert default.startswith("LOOPIN_")
        else:
            assert default == repr(setting.default).replace("'", '"')
