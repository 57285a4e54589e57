"""The public signatures as a type checker sees them; checked, never run."""

from __future__ import annotations

from typing import Any, assert_type

import pandas as pd

import pandas_numberactive as pna

df = pd.DataFrame({"phone": ["08118899532"]})

assert_type(pna.enrich(df, "phone"), pd.DataFrame)
assert_type(
    pna.enrich(df, ["phone"], max_charges=10, budget=1.5, max_age="30D", order="random"),
    pd.DataFrame,
)
assert_type(pna.enrich(df, "phone", max_age=pd.Timedelta("30D")), pd.DataFrame)
assert_type(pna.plan(df, "phone"), pna.Plan)
assert_type(pna.plan(df, "phone").to_buy, int)
assert_type(pna.start(df, "phone"), pna.Job)
assert_type(pna.start(df, "phone").result(), pd.DataFrame)
assert_type(pna.lookup("08118899532"), pna.Lookup)
assert_type(pna.lookup("08118899532").active_level, str | None)
assert_type(pna.last_run(), pna.RunReport | None)
assert_type(pna.history(), pd.DataFrame)
assert_type(pna.spend(by="run"), pd.DataFrame)
assert_type(pna.settings(), pna.Settings)
assert_type(pna.configure(max_concurrency=4), pna.Settings)
assert_type(pna.restore_dtypes(df), pd.DataFrame)
assert_type(pna.plain_dtypes(df), pd.DataFrame)
assert_type(pna.stored(df, "phone", details=True), pd.DataFrame)
assert_type(pna.normalize(df["phone"]), pd.DataFrame)


async def awaited() -> None:
    assert_type(await pna.aenrich(df, "phone"), pd.DataFrame)
    assert_type(await pna.alookup("08118899532"), pna.Lookup)
    assert_type(await pna.start(df, "phone"), pd.DataFrame)


def scoped() -> None:
    with pna.override(max_concurrency=4) as given:
        assert_type(given, pna.Settings)


with pna.simulator.Simulator() as sim:
    assert_type(sim.base_url, str)
    assert_type(sim.answer("8118899532"), dict[str, Any])
