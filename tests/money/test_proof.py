"""The protocol in every interleaving within bounds, and in seeded runs; and the same harness on broken protocols."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from tests.money.variants import BROKEN, RULES
from tests.money.world import (
    Bounds,
    Choices,
    Scratch,
    Variant,
    Vendor,
    ViolationError,
    World,
    explore,
    simulate_all,
)

SERVER = pytest.param("postgres", marks=pytest.mark.postgres)


def in_memory(database: Any) -> bool:
    return database is Scratch


@pytest.mark.timeout(600)  # a minute on an idle machine
def test_two_workers_in_every_interleaving_pay_once(database):
    """With every fault in every place nothing is paid twice, and no answer is lost.

    Workers are stopped behind each call to the vendor, too: the reduction that says that this
    decides nothing is not trusted here. On a server, whose statements take longer, one fault.
    """
    if in_memory(database):
        within = Bounds(faults=2, switches=3, restarts=2)
        least = 10_000
    else:
        within = Bounds(faults=1, switches=4, restarts=2)
        least = 2_500
    assert explore(Variant(), within, database=database, each_step=True) > least


def test_one_worker_with_four_faults_in_every_place_resumes_from_the_store():
    assert explore(Variant(), Bounds(faults=4, switches=0, restarts=4), workers=1) > 1000


def test_a_fee_before_the_answer_is_billed_in_every_interleaving():
    """isFee 1 beside a 201, isFee 0 beside the answer."""
    assert explore(Variant(), Bounds(faults=2, switches=2, restarts=2), early_fees=True) > 1000


def test_a_fee_before_the_answer_counts_in_the_simulated_runs():
    """Two seeds among them charged more than the cap: a worker without its claim was told 0."""
    simulate_all(range(3_111_700, 3_111_900), Variant(), early_fees=True)


@pytest.mark.parametrize("name", RULES)
def test_small_worlds_of_a_rule_charge_what_was_asked(name):
    assert RULES[name].explore() > 1


@pytest.mark.parametrize("name", RULES)
def test_a_rule_taken_out_is_seen_in_its_worlds(name, monkeypatch):
    with pytest.raises(ViolationError):
        RULES[name].broken(monkeypatch)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_protocol_is_caught_by_the_model_check(name):
    with pytest.raises(ViolationError):
        explore(BROKEN[name], Bounds(faults=2, switches=2, restarts=2))


@pytest.mark.parametrize("chunk", range(4))
def test_two_thousand_simulated_runs_hold_the_rules(chunk):
    simulate_all(range(chunk * 500, chunk * 500 + 500), Variant())


@pytest.mark.parametrize("database", [SERVER], indirect=True)
def test_simulated_runs_hold_the_rules_on_a_server(database):
    simulate_all(range(200), Variant(), database=database)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_protocol_is_caught_by_the_simulated_runs(name, database):
    with pytest.raises(ViolationError, match="seed"):
        simulate_all(range(2000), BROKEN[name], database=database)


def test_a_free_failure_is_asked_again_and_paid_once(database):
    vendor = Vendor(free_failures=1)
    world = World(
        Choices(), Variant(), Bounds(0, 0, 0, 0), workers=1, vendor=vendor, database=database
    )
    with contextlib.closing(world.db):
        world.run()
    assert len(vendor.queried) == 2
    assert len(vendor.charged) == 1
