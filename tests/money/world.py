"""A small world: the real flow and the real store statements, a modelled vendor, and workers that die, pause and lose replies.

Every free decision (who moves, what fails) comes from a `Choices`; one enumerates them all within bounds, one draws
them by seed. The world checks the money rules at every query and at its end.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from pandas_numberactive._purchase import flow as real
from pandas_numberactive._purchase.flow import (
    Halt,
    Handle,
    LostHandle,
    Query,
    RetryQuota,
    Rules,
    Save,
    Wait,
)
from pandas_numberactive._purchase.purchase import OPEN, LookupState, Purchase
from pandas_numberactive._store import claims, runs, saves
from pandas_numberactive._store.engines.sqlite import connect
from pandas_numberactive._store.rows import ENVIRONMENTS, latest
from pandas_numberactive._vendor.protocol import Reply

LEASE = 60.0


class ViolationError(AssertionError):
    """A money rule was broken."""


class Choices:
    """Decisions by depth-first enumeration: `again()` moves on to the next sequence until all were seen."""

    def __init__(self) -> None:
        self._path: list[list[int]] = []
        self._at = 0

    def pick(self, options: int) -> int:
        """Decide between `options` possibilities."""
        if options <= 1:
            return 0
        if self._at == len(self._path):
            self._path.append([0, options])
        chosen = self._path[self._at][0]
        self._at += 1
        return chosen

    def again(self) -> bool:
        """Go on to the next sequence; False when there is none."""
        self._at = 0
        while self._path and self._path[-1][0] + 1 >= self._path[-1][1]:
            self._path.pop()
        if not self._path:
            return False
        self._path[-1][0] += 1
        return True


class Drawn:
    """Decisions by seed: mostly the first option, which is the quiet one."""

    def __init__(self, seed: int, calm: float = 0.7) -> None:
        self._random = Random(seed)
        self._calm = calm

    def pick(self, options: int) -> int:
        """Decide between `options` possibilities."""
        if options <= 1 or self._random.random() < self._calm:
            return 0
        return self._random.randrange(options)


@dataclass
class Vendor:
    """What the contract says: handle gives ids, query charges an id once; some replies are free failures."""

    free_failures: int = 0
    ids: dict[str, int] = field(default_factory=dict)
    charged: dict[str, int] = field(default_factory=dict)
    free: set[str] = field(default_factory=set)
    queried: dict[str, int] = field(default_factory=dict)

    def handle(self, number: int) -> Reply:
        request_id = f"r{len(self.ids) + 1}"
        self.ids[request_id] = number
        return Reply(200, f'{{"code": 201, "data": null, "requestId": "{request_id}"}}'.encode())

    def query(self, request_id: str) -> Reply:
        number = self.ids[request_id]
        self.queried[request_id] = number
        if request_id in self.free or (self.free_failures and request_id not in self.charged):
            if request_id not in self.free:
                self.free_failures -= 1
            self.free.add(request_id)
            return Reply(200, b'{"code": 11008, "msg": "x", "data": null, "isFee": 0}')
        self.charged[request_id] = number
        data = f'{{"userPhone": "62{number}", "telcoType": 1, "activeLevel": "high", "frequencyGrade": "low"}}'
        return Reply(200, f'{{"code": 200, "data": {data}, "isFee": 1}}'.encode())


@dataclass(frozen=True)
class Variant:
    """The protocol under test; the defaults are the real ones."""

    flow: Callable[[Purchase, Rules], real.Flow] = real.lookup_flow
    save: Callable[..., saves.Saved] = saves.save
    write_at_end: bool = False


@dataclass
class Bounds:
    """How much may go wrong in one run."""

    faults: int = 2
    switches: int = 3
    restarts: int = 2
    pauses: int = 1


class World:
    """Some numbers, some workers, one store, one vendor."""

    def __init__(
        self,
        choices: Choices | Drawn,
        variant: Variant,
        bounds: Bounds,
        *,
        numbers: int = 1,
        workers: int = 2,
        vendor: Vendor | None = None,
        database: Callable[[], Any] | None = None,
    ) -> None:
        self.db = database() if database else connect(None)  # empty, and gone when it is closed
        self.joined: list[int] = []
        self.run_id = 0
        self.choices, self.variant = choices, variant
        self.bounds = replace(bounds)
        self.vendor = vendor or Vendor()
        self.numbers = [8_110_000_001 + i for i in range(numbers)]
        self.time = 1_800_000_000.0
        self.dead: set[int] = set()
        self.workers = [self._worker() for _ in range(workers)]
        self.stopping = False

    def now(self) -> int:
        return round(self.time * 1e6)

    def alive(self, db: Any, worker: int) -> bool:
        row = db.execute("SELECT lease_until FROM workers WHERE worker = ?", (worker,)).fetchone()
        return row is not None and row[0] >= self.now() and worker not in self.dead

    def run(self) -> None:
        """Let the workers move until all are done, then one undisturbed worker finish; check the rules."""
        current = 0
        while any(self.workers):
            current = self._next(current)
            worker = self.workers[current]
            assert worker is not None
            try:
                next(worker)
            except StopIteration:
                self.workers[current] = None
            except CrashError:
                self.workers[current] = self._worker() if self._spend("restarts") else None
            self.time += 0.01
        self.finish()

    def finish(self) -> None:
        """Undisturbed workers come, one after the other, as an analyst would call again; then the rules are checked."""
        self.bounds = Bounds(0, 0, 0, 0)
        self.stopping = False
        for _ in range(3):  # a free failure is asked again in the next run
            self.time += LEASE + 1
            for _ in self._worker():
                self.time += 0.01
        self._check_end()

    def _next(self, current: int) -> int:
        ready = [i for i, worker in enumerate(self.workers) if worker]
        if current not in ready:
            return ready[self.choices.pick(len(ready))]
        others = [i for i in ready if i != current]
        if others and self.bounds.switches:
            chosen = self.choices.pick(1 + len(others))
            if chosen:
                self.bounds.switches -= 1
                return others[chosen - 1]
        return current

    def _spend(self, name: str) -> bool:
        left: int = getattr(self.bounds, name)
        if left:
            setattr(self.bounds, name, left - 1)
        return bool(left)

    def _fault(self, kinds: int) -> int:
        """0: nothing goes wrong; else which fault."""
        if not self.bounds.faults:
            return 0
        fault = self.choices.pick(1 + kinds)
        self.bounds.faults -= bool(fault)
        return fault

    def _worker(self) -> Iterator[None]:
        return self._process()

    def _process(self) -> Generator[None]:
        """One process: joins, claims, drives each number, leaves; may die or be paused between any two steps."""
        row = runs.begin_run(
            self.db,
            key="k",
            environment="sandbox",
            now=self.now(),
            started_at=self.now(),
            cap=None,
            price=None,
            currency="IDR",
            lives=lambda *_: False,
        )
        worker = runs.join(
            self.db,
            run=row.run,
            pid=1,
            host="h",
            token=f"t{len(self.joined)}",
            lease_until=self.now() + round(LEASE * 1e6),
            alive=self.alive,
        )
        self.joined.append(worker)
        self.run_id = row.run
        called_at = self.now()
        left = list(self.numbers)
        while left:
            work = claims.Work(
                "sandbox",
                row.run,
                worker,
                None,
                0,
                called_at,
                True,
                "h",
                "f",
                86_400_000_000,
                self.alive,
            )
            got = claims.claim(self.db, work, left)
            left = got.busy
            yield
            for lookup, lost in got.mine:
                done = yield from self._drive(lookup, lost, worker, row.run)
                if done is None:
                    left.append(lookup.number)
                elif done.state in OPEN:
                    saves.unclaim(self.db, done, worker=worker)
            if got.busy and not got.mine:
                if not any(w for w in self.workers if w is not None) or len(left) == 0:
                    self.time += LEASE + 1
                self.time += 5
                yield
        runs.leave(self.db, worker=worker, run=row.run, now=self.now(), finished=True)

    def _drive(
        self, lookup: Purchase, lost: LostHandle, worker: int, run: int
    ) -> Generator[None, None, Purchase | None]:
        rules = Rules(
            clock=lambda: self.time,
            chance=lambda: 0.0,
            quota=RetryQuota(),
            host="h",
            key="f",
            lost=lost,
        )
        flow = self.variant.flow(lookup, rules)
        answer: Reply | bool | None = None
        held_back: list[Purchase] = []
        try:
            step = next(flow)
            while True:
                answer = yield from self._perform(step, worker, run, held_back)
                step = flow.send(answer)
        except StopIteration as end:
            for kept in held_back:
                yield
                self._save(kept, worker, run)
            done: Purchase | None = end.value
            return done

    def _perform(
        self, step: real.Step, worker: int, run: int, held_back: list[Purchase]
    ) -> Generator[None, None, Reply | bool | None]:
        """Do a step; faults: death before, death after, pause before, and for calls a reply lost before or after."""
        calls = isinstance(step, Handle | Query)
        fault = self._fault(5 if calls else 3)
        if fault == 1:
            self._die(worker)
        if fault == 3:  # paused past the lease: the others see it dead, and it wakes up later
            self.time += LEASE + 1
            yield
        result: Reply | bool | None = None
        if calls and self.stopping:
            return None
        if isinstance(step, Handle):
            result = Reply() if fault == 4 else self.vendor.handle(step.number)
        elif isinstance(step, Query):
            result = Reply() if fault == 4 else self._query(step.request_id)
        elif isinstance(step, Save):
            if self.variant.write_at_end:
                held_back.append(step.lookup)
                result = True
            else:
                result = self._save(step.lookup, worker, run)
        elif isinstance(step, Wait):
            self.time += step.seconds
            result = True
        elif isinstance(step, Halt):
            raise ViolationError("nothing in this world stops a run")
        if fault == 5:
            result = Reply()
        if fault == 2:
            self._die(worker)
        yield
        return result

    def _die(self, worker: int) -> None:
        self.dead.add(worker)
        raise CrashError

    def _save(self, lookup: Purchase, worker: int, run: int) -> bool:
        return self.variant.save(self.db, lookup, worker=worker, run=run, now=self.now()) == "kept"

    def _query(self, request_id: str) -> Reply:
        """RULE: at most one queried id that is not proven free, for a number and generation; and it is on disk."""
        reply = self.vendor.query(request_id)
        number = self.vendor.ids[request_id]
        risky = [
            i for i, n in self.vendor.queried.items() if n == number and i not in self.vendor.free
        ]
        if len(risky) > 1:
            raise ViolationError(f"{len(risky)} queried requestIds for one number: {risky}")
        return reply

    def _check_end(self) -> None:
        for number in self.numbers:
            paid = [i for i, n in self.vendor.charged.items() if n == number]
            row = latest(self.db, ENVIRONMENTS["sandbox"], number)
            if len(paid) > 1:
                raise ViolationError(f"bought twice: {paid}")
            if row is None or row.state is not LookupState.ANSWERED or row.request_id not in paid:
                raise ViolationError(
                    f"a paid answer is lost: {paid}, {row.state.name if row else None}"
                )


class CrashError(Exception):
    """A process died."""


def explore(variant: Variant, bounds: Bounds, **options: object) -> int:
    """Run every sequence of decisions within the bounds; return how many there were."""
    choices = Choices()
    runs = 0
    while True:
        world = World(choices, variant, bounds, **options)  # type: ignore[arg-type]
        with contextlib.closing(world.db):
            world.run()
        runs += 1
        if not choices.again():
            return runs


def simulate(seed: int, variant: Variant, **options: object) -> None:
    """One run of a bigger world by seed; the seed is in the error."""
    rng = Random(seed)
    bounds = Bounds(faults=rng.randrange(12), switches=200, restarts=rng.randrange(6), pauses=3)
    vendor = Vendor(free_failures=rng.randrange(3))
    counts = {"numbers": rng.randrange(1, 5), "workers": rng.randrange(1, 4)}
    world = World(Drawn(seed, 0.6), variant, bounds, vendor=vendor, **counts, **options)  # type: ignore[arg-type]
    try:
        with contextlib.closing(world.db):
            world.run()
    except ViolationError as error:
        raise ViolationError(f"seed {seed}: {error}") from error


def simulate_all(seeds: range, variant: Variant, **options: object) -> None:
    """Many runs, one after the other."""
    for seed in seeds:
        simulate(seed, variant, **options)
