"""How faults are dealt to the combined cases."""

from __future__ import annotations

import pytest

from tests.faults.cases.combined import FAULTS, pairs


@pytest.mark.parametrize("seed", range(5))
def test_every_fault_occurs_and_never_two_of_one_part(seed: int) -> None:
    dealt = pairs(seed)

    assert {fault for pair in dealt for fault in pair} == {fault for part in FAULTS for fault in part}
    assert all(not {one, other} <= set(part) for one, other in dealt for part in FAULTS)
    assert dealt == pairs(seed)


def test_another_seed_deals_otherwise() -> None:
    assert pairs(1) != pairs(2)
