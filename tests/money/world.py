"""Small worlds: the real flow and store statements, a modelled vendor, and workers that fail.

Every free decision (who moves, what fails) comes from a `Choices`: one enumerates them all within
bounds, one draws them by seed. The world compares each charge with what was asked
(tests/money/asked.py), and the store at its end.

Four reductions keep the enumeration small and lose no outcome. What one worker asks the vendor
commutes with all that another does, so workers switch, and are paused, at the store's steps alone.
A worker dies before a step or before it hands back: to die behind a step is to die before the next
one. Waiting decides nothing. Who finds its numbers claimed lets another move: that the other is
slow is the other's own pause.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
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
from pandas_numberactive._purchase.purchase import OPEN, SETTLED, LookupState, Purchase, Todo
from pandas_numberactive._run.options import Options
from pandas_numberactive._store import claims, ledger, runs, saves
from pandas_numberactive._store.engines.sqlite import connect
from pandas_numberactive._store.rows import ENVIRONMENTS, serving, standing
from pandas_numberactive._vendor.protocol import Reply
from pandas_numberactive.errors import StoreError
from tests.money.asked import Asked, Asking, Call, Caller, ViolationError

LEASE = 60.0
FIRST = 8_110_000_001
FAULTS = {
    Handle: ("", "lost before", "lost after"),
    Query: ("", "lost before", "lost after", "death"),
    Save: ("", "death", "pause"),
}


class Choices:
    """Decisions by depth-first enumeration: `again()` moves on until all were seen."""

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
        """Go on to the next sequence and return True, or False when there is none."""
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
    """The vendor by its contract: handle gives ids, query charges an id once.

    The first `free_failures` queries fail free. With `early_fees` an id is answered by a 201 with
    isFee 1 until a store has kept that, and then with isFee 0.
    """

    free_failures: int = 0
    early_fees: bool = False
    ids: dict[str, int] = field(default_factory=dict)
    charged: dict[str, int] = field(default_factory=dict)
    free: set[str] = field(default_factory=set)
    queried: dict[str, int] = field(default_factory=dict)
    kept_fees: set[str | None] = field(default_factory=set)

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
        if self.early_fees and request_id not in self.kept_fees:
            return Reply(200, b'{"code": 201, "msg": "x", "data": null, "isFee": 1}')
        data = f'{{"userPhone": "62{number}", "telcoType": 1, "activeLevel": "high", "frequencyGrade": "low"}}'
        fee = int(not self.early_fees)
        return Reply(200, f'{{"code": 200, "data": {data}, "isFee": {fee}}}'.encode())


@dataclass(frozen=True)
class Variant:
    """The protocol under test, by default the real one."""

    flow: Callable[[Purchase, Rules], real.Flow] = real.lookup_flow
    save: Callable[..., saves.Saved] = saves.save
    write_at_end: bool = False
    end_before_frame: bool = False
    always_over: bool = False


@dataclass
class Bounds:
    """The most that may go wrong in one run."""

    faults: int = 2
    switches: int = 3
    restarts: int = 2
    forgets: int = 0


class Scratch:
    """A store in memory that is empty again when it is closed: a transaction, rolled back."""

    def __init__(self) -> None:
        self._connection = _connection()
        self._connection.execute("BEGIN")

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """Run a statement."""
        return self._connection.execute(sql, parameters)

    def close(self) -> None:
        """Undo everything."""
        self._connection.execute("ROLLBACK")


@cache
def _connection() -> Any:
    return connect(None)


def plain(numbers: int) -> Call:
    """Return a call for so many numbers that buys what is not stored."""
    return Call(tuple(FIRST + i for i in range(numbers)))


class World:
    """Some numbers, some workers, one store, one vendor.

    `calls` has one call for each worker; without it each asks for all numbers, plainly. `before`
    is made undisturbed before anything happens. `chunk` numbers are claimed at once, all where it
    is 0. Where the calls are `abandoned` nobody makes them again: a plain call comes at the end.
    With `each_step` workers can be stopped behind a call to the vendor, too.
    """

    def __init__(
        self,
        choices: Choices | Drawn,
        variant: Variant,
        bounds: Bounds,
        *,
        numbers: int = 1,
        workers: int = 2,
        calls: Sequence[Call] | None = None,
        before: Sequence[Call] = (),
        chunk: int = 0,
        abandoned: bool = False,
        each_step: bool = False,
        free_failures: int = 0,
        early_fees: bool = False,
        vendor: Vendor | None = None,
        database: Callable[[], Any] | None = None,
    ) -> None:
        self.db = database() if database else Scratch()
        self.joined: list[int] = []
        self.choices, self.variant = choices, variant
        self.bounds = Bounds(0, 0, 0)
        self.vendor = vendor or Vendor(free_failures, early_fees)
        self.asked = Asked()
        self.numbers = [FIRST + i for i in range(numbers)]
        self.time = 1_800_000_000.0
        self.dead: set[int] = set()
        self.opened_by: dict[str, Asking] = {}
        self.fees: set[str | None] = set()  # requestIds of which a worker has heard isFee 1
        self.stopping = False
        self.chunk = chunk
        self.abandoned = abandoned
        self.each_step = each_step
        self.made: dict[Call, None] = {}
        self.complete: set[Call] = set()
        for call in before:
            self._undisturbed(call)
        self.bounds = replace(bounds)
        self.calls = list(calls) if calls is not None else [plain(numbers)] * workers
        self.workers: list[Iterator[bool] | None] = [self.worker(call) for call in self.calls]
        self.waiting: set[int] = set()

    def now(self) -> int:
        return round(self.time * 1e6)

    def alive(self, db: Any, worker: int) -> bool:
        row = db.execute("SELECT lease_until FROM workers WHERE worker = ?", (worker,)).fetchone()
        return row is not None and row[0] >= self.now() and worker not in self.dead

    def run(self) -> None:
        """Let the workers move until all are done, let undisturbed ones finish, and compare."""
        current = 0
        while any(self.workers):
            current = self._next(current)
            self._move(current)
            self.time += 0.01
            if self.bounds.forgets and (number := self.choices.pick(1 + len(self.numbers))):
                self.forget(self.numbers[number - 1])
        self.finish()

    def _move(self, current: int) -> None:
        worker = self.workers[current]
        assert worker is not None
        try:
            waits = next(worker)
        except StopIteration:
            self.workers[current] = None
        except CrashError:
            again = self.worker(self.calls[current]) if self._spend("restarts") else None
            self.workers[current] = again
        else:
            if waits:
                self.waiting.add(current)
                return
        self.waiting.clear()

    def forget(self, number: int) -> None:
        """Forget a number, as a person may at any time, unless it is open."""
        self.bounds.forgets -= 1
        with contextlib.suppress(StoreError):
            if ledger.forget(self.db, [number], self.now()):
                self.asked.forgets(number)

    def finish(self) -> None:
        """Make the calls again undisturbed, as an analyst would, and compare."""
        self.bounds = Bounds(0, 0, 0)
        self.stopping = False
        last = [plain(len(self.numbers))] if self.abandoned else list(self.made)
        for call in last:
            for _ in range(3):  # a free failure is asked again in the next run
                self.time += LEASE + 1
                self._undisturbed(call)
                if call in self.complete:
                    break
        self._check_end(last)

    def _undisturbed(self, call: Call) -> None:
        self.complete.discard(call)
        for _ in self.worker(call):
            self.time += 0.01

    def _next(self, current: int) -> int:
        ready = [i for i, worker in enumerate(self.workers) if worker]
        if current not in ready:
            return ready[self.choices.pick(len(ready))]
        others = [i for i in ready if i != current]
        if current in self.waiting:
            return self._not_waiting(current, others)
        if others and self.bounds.switches:
            chosen = self.choices.pick(1 + len(others))
            if chosen:
                self.bounds.switches -= 1
                return others[chosen - 1]
        return current

    def _not_waiting(self, current: int, others: list[int]) -> int:
        """Return a worker that can move.

        Where all wait for a dead one, its lease runs out.
        """
        moving = [i for i in others if i not in self.waiting]
        if moving:
            return moving[self.choices.pick(len(moving))]
        self.time += LEASE + 1
        self.waiting.clear()
        return current

    def _spend(self, name: str) -> bool:
        left: int = getattr(self.bounds, name)
        if left:
            setattr(self.bounds, name, left - 1)
        return bool(left)

    def _fault(self, kinds: int) -> int:
        """Return 0 where nothing goes wrong, or the place of a fault."""
        if not self.bounds.faults:
            return 0
        fault = self.choices.pick(1 + kinds)
        self.bounds.faults -= bool(fault)
        return fault

    def worker(self, call: Call) -> Iterator[bool]:
        """Return a process that makes a call and yields True where it waits."""
        self.made[call] = None
        return self._process(Caller(call))

    def _process(self, caller: Caller) -> Generator[bool]:
        """Look, join, claim, drive each number, read back, hand back.

        It may die or be paused at any step.
        """
        call = caller.call
        options = Options(refresh=call.refresh, max_age=_seconds(call.max_age))
        earlier = runs.find_run(self.db, key=call.key, now=self.now())
        look = self.asked.look(call, self.time)
        began_at = earlier.started_at if earlier else self.now()
        dated = call.refresh or call.max_age is not None
        if dated:  # else its start decides nothing
            yield False
        row = self._begin(call, began_at)
        asking = self.asked.begins(caller, look)
        worker = self._join(caller, asking, row.run)
        work = self._work(call, row, worker, options.since(row.started_at))
        yield from self._buy(caller, asking, work)
        complete = self._over(call, work)
        over = complete or self.variant.always_over
        if self.variant.end_before_frame:
            self._leave(work, over)
        yield False
        if self._fault(1):
            self._die(caller, worker)
        self._leave(work, over)
        self.asked.hands_back(asking, caller, complete)
        if over:
            self.complete.add(call)

    def _begin(self, call: Call, began_at: int) -> runs.RunRow:
        return runs.begin_run(
            self.db,
            key=call.key,
            environment="sandbox",
            now=self.now(),
            started_at=began_at,
            cap=call.cap,
            price=None,
            currency="IDR",
            lives=lambda *_: False,
        )

    def _join(self, caller: Caller, asking: Asking, run: int) -> int:
        worker = len(self.joined) + 1
        runs.join(
            self.db,
            worker=worker,
            run=run,
            pid=1,
            host="h",
            token=f"t{worker}",
            lease_until=self.now() + round(LEASE * 1e6),
            alive=self.alive,
        )
        caller.lease_until = self.time + LEASE
        self.joined.append(worker)
        self.asked.joins(asking, caller, self.time)
        return worker

    def _work(self, call: Call, row: runs.RunRow, worker: int, since: int) -> claims.Work:
        return claims.Work(
            environment="sandbox",
            run=row.run,
            worker=worker,
            cap=call.cap,
            since=since,
            called_at=self.now(),
            retry_failed=True,
            host="h",
            key="f",
            max_id_age=86_400_000_000,
            alive=self.alive,
            spending=runs.Spending(row.run),
        )

    def _buy(self, caller: Caller, asking: Asking, work: claims.Work) -> Generator[bool]:
        ahead = list(caller.call.numbers)
        left: list[int] = []
        over: list[int] = []
        freed = 0
        while left or ahead or (freed and over):
            if not (left or ahead):
                left, over, freed = over, [], 0
            elif not left:
                size = self.chunk or len(ahead)
                left, ahead = ahead[:size], ahead[size:]
            got = claims.claim(self.db, work, left)
            left = got.busy
            over += got.over
            yield bool(got.busy and not got.mine)
            for lookup, lost in got.mine:
                done = yield from self._drive(lookup, lost, caller, asking, work)
                if done is None:
                    left.append(lookup.number)
                elif done.state is LookupState.FAILED:
                    freed += 1
                elif done.state in OPEN:
                    saves.unclaim(self.db, done, worker=work.worker)

    def _over(self, call: Call, work: claims.Work) -> bool:
        """Read back as a run does: is nothing of the call open, failed, or to be bought?"""
        numbers = list(call.numbers)
        known = standing(self.db, ENVIRONMENTS["sandbox"], numbers, work.since)
        return all(
            claims._todo(*known.get(number, (None, False)), work) is Todo.SERVED
            for number in numbers
        )

    def _leave(self, work: claims.Work, over: bool) -> None:
        runs.leave(self.db, worker=work.worker, run=work.run, now=self.now(), finished=over)

    def _drive(
        self, lookup: Purchase, lost: LostHandle, caller: Caller, asking: Asking, work: claims.Work
    ) -> Generator[bool, None, Purchase | None]:
        rules = Rules(
            clock=lambda: self.time,
            monotonic=lambda: self.time,
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
                answer = yield from self._perform(step, caller, asking, work, held_back)
                step = flow.send(answer)
        except StopIteration as end:
            for kept in held_back:
                yield False
                self._save(kept, work)
            done: Purchase | None = end.value
            return done

    def _perform(
        self,
        step: real.Step,
        caller: Caller,
        asking: Asking,
        work: claims.Work,
        held_back: list[Purchase],
    ) -> Generator[bool, None, Reply | bool | None]:
        """Do a step, unless one of its faults comes in between."""
        if isinstance(step, Halt):
            raise ViolationError("nothing in this world stops a run")
        if isinstance(step, Wait):
            self.time += step.seconds
            return True
        if self.stopping and not isinstance(step, Save):
            return None
        faults = FAULTS[type(step)]
        fault = faults[self._fault(len(faults) - 1)]
        if fault == "death":
            self._die(caller, work.worker)
        if fault == "pause":  # past the lease: the others see it dead, and it wakes up later
            self.time += LEASE + 1
            yield False
        result = self._do(step, fault, caller, asking, work, held_back)
        if isinstance(step, Save) or self.each_step:
            yield False
        return result

    def _do(
        self,
        step: real.Step,
        fault: str,
        caller: Caller,
        asking: Asking,
        work: claims.Work,
        held_back: list[Purchase],
    ) -> Reply | bool:
        if isinstance(step, Save):
            if not self.variant.write_at_end:
                return self._save(step.lookup, work)
            held_back.append(step.lookup)
            return True
        assert isinstance(step, Handle | Query)
        reply = Reply() if fault == "lost before" else self._ask(step, caller, asking)
        return Reply() if fault == "lost after" else reply

    def _die(self, caller: Caller, worker: int) -> None:
        caller.dead = True
        self.dead.add(worker)
        raise CrashError

    def _save(self, lookup: Purchase, work: claims.Work) -> bool:
        saved = self.variant.save(self.db, lookup, worker=work.worker, run=work.run, now=self.now())
        if lookup.charged:
            self.fees.add(lookup.request_id)
            self.vendor.kept_fees.update({lookup.request_id} if saved == "kept" else ())
        if lookup.state in SETTLED:
            self.asked.stored(lookup.request_id)
        return saved == "kept"

    def _ask(self, step: Handle | Query, caller: Caller, asking: Asking) -> Reply:
        if isinstance(step, Query):
            return self._query(step.request_id, caller, asking)
        reply = self.vendor.handle(step.number)
        self.opened_by[f"r{len(self.vendor.ids)}"] = asking
        return reply

    def _query(self, request_id: str, caller: Caller, asking: Asking) -> Reply:
        """Ask, and compare a new charge with what was asked.

        RULE: no second requestId is queried where the first may still be charged.
        """
        before = len(self.vendor.charged)
        reply = self.vendor.query(request_id)
        number = self.vendor.ids[request_id]
        if len(self.vendor.charged) > before:
            askings = {self.opened_by[request_id]: None, asking: None}
            self.asked.charge(request_id, number, list(askings), caller, self.time)
        return reply

    def _served_at(self, number: int) -> float | None:
        row = serving(self.db, ENVIRONMENTS["sandbox"], [number], 0).get(number)
        if row is None or row.state is not LookupState.ANSWERED:
            return None
        if self.vendor.charged.get(row.request_id or "") != number:
            raise ViolationError(f"{number} has an answer that nobody paid: {row.request_id}")
        return row.bought_at / 1e6

    def _check_end(self, last: Sequence[Call]) -> None:
        """Compare the store with the vendor's ledger: each charge is on the books, once."""
        self.asked.check(last, self._served_at)
        books = self.db.execute(
            "SELECT request_id, count(*) FROM events WHERE kind IN ('answered', 'late') "
            "GROUP BY request_id"
        ).fetchall()
        if lost := set(self.vendor.charged) - {request_id for request_id, _ in books}:
            raise ViolationError(f"paid answers are lost: {sorted(lost)}")
        billed = {row[5] for row in ledger.charges(self.db, "sandbox")}
        if unbilled := self.fees - billed:
            raise ViolationError(f"charges are not on the bill: {sorted(unbilled)}")


def _seconds(max_age: float | None) -> str | None:
    return None if max_age is None else f"{max_age}s"


class CrashError(Exception):
    """A process died."""


def explore(variant: Variant, bounds: Bounds, **options: object) -> int:
    """Run every sequence of decisions within the bounds and return their number."""
    choices = Choices()
    runs = 0
    while True:
        world = World(choices, variant, bounds, **options)  # type: ignore[arg-type]
        with contextlib.closing(world.db):
            world.run()
        runs += 1
        if not choices.again():
            return runs


AGES = (0.0, 120.0)  # seconds: everything is too old, or what slept past a lease twice


def drawn_call(rng: Random, numbers: int) -> Call:
    """Draw a call: often a plain one for all numbers, so that calls meet."""
    wanted = tuple(FIRST + i for i in range(numbers))
    if rng.random() < 0.3:
        wanted = tuple(sorted(rng.sample(wanted, rng.randrange(1, numbers + 1))))
    kind = rng.choice(("plain", "plain", "refresh", "max_age"))
    cap = rng.randrange(numbers + 1) if rng.random() < 0.3 else None
    age = rng.choice(AGES) if kind == "max_age" else None
    return Call(wanted, kind == "refresh", age, cap)


def simulate(seed: int, variant: Variant, *, early_fees: bool = False, **options: object) -> None:
    """Run a bigger world by seed, which is named in the error."""
    rng = Random(seed)
    bounds = Bounds(
        faults=rng.randrange(12), switches=200, restarts=rng.randrange(6), forgets=rng.randrange(3)
    )
    vendor = Vendor(free_failures=rng.randrange(3), early_fees=early_fees)
    numbers = rng.randrange(1, 5)
    calls = [drawn_call(rng, numbers) for _ in range(rng.randrange(1, 4))]
    if rng.random() < 0.3:
        calls = calls[:1] * len(calls)
    before = [plain(numbers)] * rng.randrange(2)
    counts = {
        "numbers": numbers,
        "calls": calls,
        "before": before,
        "chunk": rng.randrange(2),
        "abandoned": rng.random() < 0.2,
    }
    try:
        world = World(Drawn(seed, 0.6), variant, bounds, vendor=vendor, **counts, **options)  # type: ignore[arg-type]
        with contextlib.closing(world.db):
            world.run()
    except ViolationError as error:
        raise ViolationError(f"seed {seed}: {error}") from error


def simulate_all(seeds: range, variant: Variant, **options: Any) -> None:
    """Many runs, one after the other."""
    for seed in seeds:
        simulate(seed, variant, **options)
