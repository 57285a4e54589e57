"""The protocol broken on purpose, a money rule at a time: each must be caught by the harness that passes the real one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pandas_numberactive._purchase.flow import Handle, Query, Rules, Save, lookup_flow
from pandas_numberactive._purchase.purchase import LookupState, Purchase
from pandas_numberactive._store import saves
from pandas_numberactive._store.rows import ENVIRONMENTS, latest
from pandas_numberactive._vendor.protocol import Reply
from tests.money.world import Variant


def no_save_before_query(lookup: Purchase, rules: Rules) -> Any:
    """Leaves out the line that saves the requestId."""
    flow = lookup_flow(lookup, rules)
    step = next(flow)
    try:
        while True:
            if isinstance(step, Save) and step.lookup.state is LookupState.PENDING:
                step = flow.send(True)
                continue
            step = flow.send((yield step))
    except StopIteration as end:
        return end.value


def whole_pair_retry(lookup: Purchase, rules: Rules) -> Any:
    """What a retry decorator around handle and query does: a lost reply to query begins again at handle."""
    flow = lookup_flow(lookup, rules)
    step = next(flow)
    try:
        while True:
            answer = yield step
            if isinstance(step, Query) and isinstance(answer, Reply) and answer.status is None:
                fresh = replace(lookup, state=LookupState.RESERVED, request_id=None)
                flow = lookup_flow(fresh, rules)
                step = next(flow)
                assert isinstance(step, Handle)
                continue
            step = flow.send(answer)
    except StopIteration as end:
        return end.value


def unfenced_save(db: Any, lookup: Purchase, *, worker: int, run: int, now: int) -> saves.Saved:
    """Writes whatever comes, under whoever's claim."""
    code = ENVIRONMENTS[lookup.environment]
    row = latest(db, code, lookup.number)
    assert row is not None
    db.execute(
        "UPDATE lookups SET worker = ?, epoch = ? WHERE environment = ? AND number = ? AND generation = ?",
        (worker, lookup.epoch, code, lookup.number, lookup.generation),
    )
    saves.save(db, lookup, worker=worker, run=run, now=now)
    return "kept"


def wrong_id_saved(db: Any, lookup: Purchase, *, worker: int, run: int, now: int) -> saves.Saved:
    """Drops paid answers of a worker that has lost its claim."""
    row = latest(db, ENVIRONMENTS[lookup.environment], lookup.number)
    if lookup.state is LookupState.ANSWERED and row is not None and row.epoch != 1:
        return "kept"
    return saves.save(db, lookup, worker=worker, run=run, now=now)


BROKEN = {
    "no save before query": Variant(flow=no_save_before_query),
    "whole-pair retry": Variant(flow=whole_pair_retry),
    "no fencing": Variant(save=unfenced_save),
    "results written at the end": Variant(write_at_end=True),
    "a taken-over answer is dropped": Variant(save=wrong_id_saved),
}
