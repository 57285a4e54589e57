"""The protocol broken on purpose, a money rule at a time: each must be caught by the harness that passes the real one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pandas_numberactive._purchase.flow import Handle, Query, Rules, Save, lookup_flow
from pandas_numberactive._purchase.purchase import LookupState, Purchase, Todo, todo
from pandas_numberactive._run.options import Options
from pandas_numberactive._store import claims, ledger, runs, saves
from pandas_numberactive._store.rows import ENVIRONMENTS, latest
from pandas_numberactive._vendor.protocol import Reply
from tests.money.world import Bounds, Variant, explore, plain


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
                fresh = lookup._replace(state=LookupState.RESERVED, request_id=None)
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


def forgets_its_start(
    db: Any, *, key: str, now: int, lives: Any = None, real: Any = runs.find_run
) -> runs.RunRow | None:
    """Takes a run that is not over for one that begins now."""
    found: runs.RunRow | None = real(db, key=key, now=now)
    return None if found is None else replace(found, started_at=now)


def older_answer_first(state: int, *, serves: bool, askable: bool, retry: bool) -> Todo:
    """Takes any answer that serves, whatever the newest generation has open."""
    if serves:
        return Todo.SERVED
    return todo(state, serves=serves, askable=askable, retry=retry)


@dataclass(frozen=True)
class Rule:
    """One rule of runs, caps, ages or forgetting, and the small worlds that show it.

    Without the rule either `variant` is at work, or `replacement` stands in place of `owner.name`.
    """

    worlds: dict[str, Any]
    faults: int = 1
    switches: int = 0
    restarts: int = 1
    forgets: int = 0
    owner: Any = None
    name: str = ""
    replacement: Any = None
    variant: Variant | None = None

    def explore(self, variant: Variant | None = None) -> int:
        """Run every sequence of decisions in its worlds and return their number."""
        within = Bounds(self.faults, self.switches, self.restarts, self.forgets)
        return explore(variant or Variant(), within, **self.worlds)

    def broken(self, patch: Any) -> None:
        """Run the worlds without the rule, patched by pytest's monkeypatch."""
        if self.owner is not None:
            patch.setattr(self.owner, self.name, self.replacement)
        self.explore(self.variant)


ONE = plain(1)
TWO = plain(2)
AGAIN = replace(ONE, refresh=True)
BOUGHT_AGAIN = {"calls": [AGAIN], "before": [ONE]}
CAPPED = {"numbers": 2, "calls": [replace(TWO, cap=1)], "chunk": 1}

RULES = {
    "a run keeps its start": Rule(
        BOUGHT_AGAIN, owner=runs, name="find_run", replacement=forgets_its_start
    ),
    "a dead sibling keeps a run open": Rule(
        {"calls": [AGAIN, AGAIN], "before": [ONE]},
        switches=1,
        restarts=0,
        owner=runs,
        name="_workers",
        replacement=lambda *_: [],
    ),
    "a call made again takes the place of the dead one": Rule(
        BOUGHT_AGAIN, owner=runs, name="_take_place", replacement=lambda *_: None
    ),
    "a run ends when nothing is open": Rule(
        {"numbers": 2, "calls": [replace(TWO, refresh=True)], "free_failures": 1},
        variant=Variant(always_over=True),
    ),
    "a run ends when its frame stands": Rule(BOUGHT_AGAIN, variant=Variant(end_before_frame=True)),
    "the newest generation is to do": Rule(
        {**BOUGHT_AGAIN, "abandoned": True},
        restarts=0,
        owner=claims,
        name="todo",
        replacement=older_answer_first,
    ),
    "an answer that is too old does not serve": Rule(
        {"calls": [replace(ONE, max_age=0.0)], "before": [ONE]},
        owner=Options,
        name="since",
        replacement=lambda *_: 0,
    ),
    "a cap counts forgotten charges": Rule(
        CAPPED, forgets=1, owner=runs, name="_spent_elsewhere", replacement=lambda *_: 0
    ),
    "a cap is counted again after a forgetting": Rule(
        CAPPED, forgets=1, owner=ledger, name="note_moved", replacement=lambda _: None
    ),
    "a cap counts what another run finished": Rule(
        {"numbers": 2, "calls": [replace(TWO, cap=1), ONE]},
        switches=1,
        restarts=0,
        owner=claims,
        name="keep_spent",
        replacement=lambda *_, **__: None,
    ),
    "a lowered cap holds for what is begun": Rule(
        {"numbers": 2, "calls": [TWO, replace(TWO, cap=1)]},
        switches=1,
        restarts=0,
        owner=claims,
        name="_within",
        replacement=lambda *_: frozenset(TWO.numbers),
    ),
    "an open number is not forgotten": Rule(
        {}, switches=1, forgets=1, owner=ledger, name="OPEN", replacement=frozenset()
    ),
}

BROKEN = {
    "no save before query": Variant(flow=no_save_before_query),
    "whole-pair retry": Variant(flow=whole_pair_retry),
    "no fencing": Variant(save=unfenced_save),
    "results written at the end": Variant(write_at_end=True),
    "a taken-over answer is dropped": Variant(save=wrong_id_saved),
}
