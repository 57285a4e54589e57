"""Pilot: it buys in random batches, stops itself, and never pays twice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive.errors import ColumnNotFoundError, RiskInputError
from pandas_numberactive.risk import Pilot
from pandas_numberactive.risk._retro import pilot as _pilot_module
from pandas_numberactive.simulator import Simulator
from pandas_numberactive.simulator.loanbook import loan_book

pytestmark = pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.PhoneColumnWarning")


@pytest.fixture(scope="module")
def book():
    """Loans whose activity level has an odds ratio of 2 a step, of made-up people."""
    return loan_book(1_200, seed=2)


@pytest.fixture
def noise(book):
    """The same loans with outcomes that know nothing of the phone."""
    rng = np.random.default_rng(0)
    return book.assign(defaulted=rng.permutation(book["defaulted"].to_numpy()))


@pytest.fixture
def shop(tmp_path):
    """A simulated vendor that counts its charges, and a store on disk."""
    with Simulator() as vendor:
        options = {
            "environment": "simulator",
            "base_url": vendor.base_url,
            "store": tmp_path / "pilot.db",
            "progress": False,
        }
        with pna.override(**options):
            yield vendor


def charged(vendor):
    return len(vendor.ledger.charges())


def make(df, **options):
    given = {"target": "defaulted", "max_charges": 400, "score": "score", "seed": 1} | options
    return Pilot(df, "phone", **given)


def test_a_real_signal_stops_the_purchase(shop, book):
    """The look that is significant is the last one, and its rows come back enriched."""
    pilot = make(book, max_charges=900)
    loans = pilot.run()
    assert pilot.verdict == "significant"
    assert charged(shop) == pilot.history[-1].bought < 900
    assert loans["phone_active_level"].notna().any()
    assert set(loans.index) <= set(book.index)
    assert len(pilot.table) == pilot.history[-1].look


def test_noise_is_given_up_or_undecided(shop, noise):
    """It is bought within its cap."""
    pilot = make(noise, smallest_odds_ratio=2.0)
    pilot.run()
    assert pilot.verdict in ("hopeless", "undecided")
    assert charged(shop) <= 400


def test_a_second_run_charges_nothing(shop, book):
    """The same table, seed and cap are the same purchase."""
    first = make(book)
    loans = first.run()
    before = charged(shop)
    second = make(book)
    pd.testing.assert_frame_equal(second.run(), loans)
    assert charged(shop) == before
    assert second.history == first.history


def test_a_killed_pilot_goes_on_where_it_was(shop, book, monkeypatch):
    """Killed in its second batch, both runs together charge what one would."""
    whole = make(book)
    calls = []

    def dying(*args, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return pna.enrich(*args, **options)

    monkeypatch.setattr(_pilot_module, "enrich", dying)
    with pytest.raises(KeyboardInterrupt):
        make(book).run()
    assert 0 < charged(shop) <= 80
    monkeypatch.setattr(_pilot_module, "enrich", pna.enrich)
    whole.run()
    assert charged(shop) == whole.history[-1].bought
    assert len({one.phone for one in shop.ledger.charges()}) == charged(shop)


def test_the_cap_holds_for_all_batches(shop, noise):
    """No more numbers are charged than were allowed, whatever the looks."""
    make(noise, max_charges=53, looks=4).run()
    assert charged(shop) <= 53


def test_loans_of_one_number_are_in_one_batch(book):
    """A look never sees half of a customer."""
    twice = pd.concat([book, book.assign(defaulted=0)], ignore_index=True)
    pilot = make(twice)
    both = pd.DataFrame({"number": pilot._number, "batch": pilot._batch})
    known = both[both["batch"] > 0]
    assert known.groupby("number")["batch"].nunique().max() == 1


def test_rows_without_an_outcome_are_not_bought(shop, book):
    """They prove nothing."""
    unknown = book.assign(defaulted=book["defaulted"].astype("Int64").mask(book.index % 2 == 0))
    loans = make(unknown, max_charges=200).run()
    assert loans["defaulted"].notna().all()


def test_late_applications_are_refused_before_it_spends(shop, book):
    """Answers bought now for old decisions cannot decide a purchase."""
    with pytest.raises(RiskInputError, match="Nothing was charged"):
        make(book, as_of="application_date")
    assert charged(shop) == 0
    make(book, as_of="application_date", late="keep")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"looks": 0}, "looks"),
        ({"looks": 21}, "looks"),
        ({"max_charges": 2}, "max_charges"),
        ({"max_charges": 10.0}, "max_charges"),
        ({"smallest_odds_ratio": 1}, "smallest_odds_ratio"),
    ],
)
def test_wrong_options_are_refused_in_words(book, options, words):
    """The message names the option."""
    with pytest.raises(RiskInputError, match=words):
        make(book, **options)


def test_too_few_numbers_are_refused(book):
    """Five looks need five numbers."""
    with pytest.raises(RiskInputError, match="too few"):
        make(book.head(3))


def test_before_a_run_there_is_no_verdict(book):
    """And its table is empty."""
    pilot = make(book)
    assert pilot.verdict is None
    assert not len(pilot.table)


def test_a_batch_without_bads_decides_nothing(shop, book):
    """The pilot goes on, and each look counts the bads that it has seen."""
    rare = book.assign(defaulted=(np.arange(len(book)) % 60 == 0).astype(int))
    pilot = make(rare, max_charges=200, looks=10, smallest_odds_ratio=20)
    loans = pilot.run()
    first = pilot.history[0]
    assert (first.bads, first.z, str(first.verdict)) == (0, 0, "undecided")
    assert charged(shop) == pilot.history[-1].bought > first.bought
    assert len(loans) > first.n


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": "word"}, "say which one is bad"),
        ({"score": "word"}, "not a number"),
        ({"by": "activity"}, "by is one of active_level"),
        ({"cluster": "nobody"}, "nobody"),
        ({"cut": 1}, "cut is the number of score bands"),
    ],
)
def test_what_no_look_could_test_is_refused_unbought(shop, book, options, words):
    """The outcome, the score, the signals and the customers are validated before a charge."""
    with pytest.raises((RiskInputError, ColumnNotFoundError), match=words):
        make(book.assign(word="good"), **options).run()
    assert charged(shop) == 0
