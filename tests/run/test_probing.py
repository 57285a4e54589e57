"""What a run sends before the first good answer of the vendor."""

from __future__ import annotations

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive.errors import VendorError
from pandas_numberactive.simulator import Faults

PHONES = [f"0811{i:07d}" for i in range(40)]  # made up


@pytest.fixture
def calls(as_production, vendor):
    """The steps and values sent by a run of 40 numbers whose first five queries hang."""
    as_production(max_concurrency=40, query_timeout=1.0)

    def sent():
        vendor.calls.clear()
        vendor.faults = Faults(script={"query": ["hang"] * 5}, hang_for=3.0)
        pd.DataFrame({"phone": PHONES}).numberactive.enrich("phone", progress=False)
        return [(step, value) for _, step, value in vendor.calls]

    return sent


def before_query(sent, count):
    """The handles that were sent before so many queries."""
    queries = [at for at, (step, _) in enumerate(sent) if step == "query"]
    return sum(step == "handle" for step, _ in sent[: queries[count - 1]])


def test_handles_go_before_the_first_answer(calls):
    """A handle is free, so all go once the first requestId is on disk."""
    assert before_query(calls(), 6) == len(PHONES)


def test_five_numbers_are_queried_before_the_first_answer(calls):
    """The sixth query is one of the first five again, for none was answered."""
    asked = [value for step, value in calls() if step == "query"]
    assert len(set(asked[:5])) == 5
    assert asked[5] in asked[:5]


def test_where_handle_was_seen_to_charge_five_handles_go(calls, vendor):
    """The store remembers a vendor that answered at handle."""
    vendor.faults = Faults(script={"handle": ["handle_200_data"]})
    pna.lookup("08118899532")
    assert before_query(calls(), 6) == 5


def test_useless_answers_stop_a_run_whose_handles_all_went(as_production, vendor):
    """Open requestIds are not queried after the stop: only answers are charged."""
    as_production(max_concurrency=40)
    vendor.faults = Faults(query={"code_charged": 1.0})
    with pytest.raises(VendorError, match="stopped"):
        pd.DataFrame({"phone": PHONES}).numberactive.enrich("phone", progress=False)
    assert vendor.ledger.total == vendor.ledger.queries <= 9


def test_what_a_stop_left_open_is_gone_on_with(as_production, vendor):
    """The free requestIds of a stop are queried by the next call, without a second handle."""
    as_production(max_concurrency=16)
    book = pd.DataFrame({"phone": PHONES})
    vendor.faults = Faults(query={"code_charged": 1.0})
    with pytest.raises(VendorError, match="stopped"):
        book.numberactive.enrich("phone", progress=False)
    charged = vendor.ledger.total
    opened = vendor.ledger.handles
    assert charged < opened <= charged + 24  # half as many again as may be in flight
    vendor.faults = Faults()
    book.numberactive.enrich("phone", progress=False)
    assert vendor.ledger.handles == len(PHONES)
    assert vendor.ledger.total == len(PHONES)
