"""How a run claims what it buys."""

from __future__ import annotations

import pandas as pd

import pandas_numberactive as pna
from pandas_numberactive._run.run import Run
from pandas_numberactive._store import claims as store_claims
from pandas_numberactive._store.claims import MOST_AHEAD, claim_size
from pandas_numberactive._store.rows import MAX_KEPT_BODY
from pandas_numberactive._store.store import LookupStore

LEAST = 64


def sizes(count, spent=0):
    """The claims of a run under a cap that buys `count` numbers."""
    claims, left = [], count
    while left:
        size = min(left, claim_size(LEAST, spent, left))
        claims.append(size)
        spent, left = spent + size, left - size
    return claims


def test_a_small_run_claims_at_most_an_eighth_of_what_is_left():
    """Its last claims are no larger than its calls in flight need."""
    claims = sizes(4000)
    left = 4000
    for claim in claims:
        assert claim <= max(LEAST, left // 8)
        left -= claim
    assert claims[0] == 500
    assert set(claims[-5:-1]) == {LEAST}


def test_a_million_purchases_under_a_cap_count_their_rows_a_few_hundred_times_not_fifteen_thousand():
    claims = sizes(1_000_000)
    assert sum(claims) == 1_000_000
    assert len(claims) < 600
    assert max(claims) == MOST_AHEAD
    assert claims[-2] <= 2 * LEAST  # few at the end, so that processes on one store end together


def test_what_an_earlier_process_of_the_run_spent_counts():
    assert sizes(100_000, spent=900_000)[0] == MOST_AHEAD


def test_claims_grow_with_what_the_run_has_spent_and_the_cap_holds_to_the_number(
    as_production, vendor, monkeypatch
):
    real, claimed = store_claims.claim, []
    monkeypatch.setattr(
        store_claims, "claim", lambda db, work, n: (claimed.append(len(n)), real(db, work, n))[1]
    )
    as_production(max_concurrency=32)
    df = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(3200)]})  # made up
    df.numberactive.enrich("phone", max_charges=3100, progress=False)
    assert vendor.ledger.total == 3100
    assert claimed[0] == 400
    assert claimed[-2] == 32
    assert pna.last_run().not_bought == 100


def test_a_run_holds_no_more_of_a_body_than_the_store(as_production, vendor, monkeypatch):
    """At 60 KB each, the bodies of a million numbers are 60 GB."""
    answer, ended = vendor.answer, []
    monkeypatch.setattr(vendor, "answer", lambda phone: {**answer(phone), "more": "x" * 60_000})
    monkeypatch.setattr(Run, "_note_purchases", lambda _, buyer: ended.append(buyer))
    as_production()
    df = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(20)]})  # made up
    df.numberactive.enrich("phone", progress=False)
    held = [purchase.raw for purchase in ended[0].saved.values()]
    with LookupStore.open(pna.settings().store) as store:
        kept = store.do(lambda db: db.execute("SELECT body FROM events").fetchall())
    assert {len(body) for body in held} == {MAX_KEPT_BODY}
    assert set(held) == {bytes(body) for (body,) in kept if body is not None}
