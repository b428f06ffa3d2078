"""What a head-end has collected, with holes torn into it: estimates agree with the registers."""

from __future__ import annotations

import asyncio

import numpy as np

from ferraris.headend.demo.night import Night, NightSettings
from ferraris.headend.vee import Axis, Made, Quality, default_rules
from ferraris.headend.vee.columns import between, together
from ferraris.headend.vee.columns_editing import revise

PROFILE = "1-0:99.1.0*255"


def collected(folder):
    """The first channel of a day of four meters: interval ends and the register at each."""

    async def collect():
        settings = NightSettings(folder / "store.sqlite", folder / "keys.sqlite", meters=4)
        async with Night(settings) as night:
            night.deliver()
            await night.commission()
            await night.first_round()
            day_s = night.day * 86_400
            with night.whole.house.engine.reading() as view:
                return [
                    night.whole.archive.series(view, meter, PROFILE, day_s, day_s + 86_400)
                    for meter in (1, 2, 3, 4)
                ]

    found = asyncio.run(collect())
    assert len({tuple(each.ends) for each in found}) == 1
    return list(found[0].ends), [list(each.columns[0]) for each in found]


def test_a_collected_day_heals_to_the_last_unit(tmp_path):
    ends, registers = collected(tmp_path)
    assert len(ends) == 96
    axis = Axis(ends[0], 900, 95)  # the register before the first row was not collected
    lost = [[], [5], list(range(20, 50)), [3, 4, 60, 61, 90]]
    holes, whole = [], []
    for column, missing in zip(registers, lost, strict=True):
        known = np.ones(96, bool)
        known[missing] = False
        holes.append(between(axis, np.where(known, column, 0), known))
        whole.append(between(axis, column, np.ones(96, bool)))
    truth = revise(together(whole), default_rules())
    made = revise(together(holes), default_rules())
    assert (truth.rule == Made.MEASURED).all()
    assert (truth.final == np.diff(registers)).all()
    assert (made.total() == truth.total()).all()
    assert (made.final[0] == truth.final[0]).all()
    measured = made.rule == Made.MEASURED
    assert (made.final[measured] == truth.final[measured]).all()
    assert (made.quality != Quality.MISSING).all()
    assert set(made.rule[2, 19:50]) == {Made.REGISTER_DIFFERENCE}
    for row, begin, end in ((1, 4, 6), (2, 19, 50), (3, 2, 5), (3, 59, 62), (3, 89, 91)):
        assert not measured[row, begin:end].any()
        assert made.final[row, begin:end].sum() == truth.final[row, begin:end].sum()
    healed = revise(together(whole), default_rules(), before=made)
    assert (healed.final == truth.final).all()
    assert healed.number.tolist() == [1, 2, 2, 2]
