"""RiskPanel without a browser: columns found, tables and their calls, looks, and nothing personal."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import pandas_numberactive as pna
from pandas_numberactive._jupyter.risk_choices import columns_of
from pandas_numberactive._jupyter.risk_panel import RiskPanel
from pandas_numberactive.errors import RiskInputError
from pandas_numberactive.risk._engine.stats.significance import holm
from pandas_numberactive.simulator.loanbook import loan_book, seen_too_late, with_answers
from tests.display.test_pictures import read

DATE, LEVEL = "application_date", "phone_active_level"


@pytest.fixture(scope="module")
def loans():
    """A made-up loan book, 30 in 100 answers late."""
    return seen_too_late(with_answers(loan_book(2_000, seed=5)), share=0.3)


@pytest.fixture
def panel(loans):
    return RiskPanel(loans)


def run(code, df):
    """Run the panel's line in a cell, as a reader would."""
    place = {"pna": pna, "df": df}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(code, place)
    return place["table"]


def labels(field):
    return [label for label, _ in field.options]


# --- columns


def test_a_loan_book_is_recognised(panel):
    """Each column has one meaning there, so the first table is on the page at once."""
    fields = (panel._outcome, panel._signal, panel._date, panel._late, panel._segment)
    assert [field.value for field in fields] == ["defaulted", LEVEL, DATE, "drop", ""]
    assert "Bad rate of defaulted by phone_active_level" in read(panel._picture.value)


def test_only_what_a_column_holds_offers_it(panel):
    """Neither a phone nor a name is a segment, and enrich's own columns are none."""
    assert labels(panel._outcome) == ["choose", "defaulted", "approved"]
    assert labels(panel._date) == ["none", DATE]
    assert labels(panel._segment) == ["none", "city", "product", "defaulted", "approved"]
    assert labels(panel._signal)[1:] == [
        "phone_telco_type",
        LEVEL,
        "phone_frequency_grade",
    ]


@pytest.mark.parametrize(
    "name",
    ["approved", "target", "label", "bad_address", "not_default", "default_currency", "repaid"],
)
def test_a_doubtful_outcome_is_offered_not_chosen(loans, name):
    """A flag that is no default for certain, alone in its table."""
    found = columns_of(loans.drop(columns="approved").rename(columns={"defaulted": name}))
    assert found.outcome.names == (name,)
    assert found.outcome.meant is None


@pytest.mark.parametrize("name", ["defaulted", "is_bad", "bad90", "gagalBayar", "npl_flag", "BAD"])
def test_an_outcome_by_its_name(loans, name):
    """In the words of lenders, in any spelling."""
    assert columns_of(loans.rename(columns={"defaulted": name})).outcome.meant == name


def test_two_outcomes_are_a_choice_of_the_reader(loans):
    """30 and 90 days past due are different questions."""
    panel = RiskPanel(loans.assign(bad_30=loans["defaulted"]))
    assert panel._outcome.value == ""
    assert panel.table is None
    assert panel.code == ""
    assert "Choose the outcome" in panel._said.value
    panel._outcome.value = "bad_30"
    assert "'bad_30'" in panel.code


@pytest.mark.parametrize("name", ["birth_date", "disbursed_at", "created", "due_date"])
def test_another_date_is_not_the_decision(loans, name):
    """Answers would count as in time, or as late, by the wrong day."""
    found = columns_of(loans.rename(columns={DATE: name}))
    assert found.date.names == (name,)
    assert found.date.meant is None


@pytest.mark.parametrize("name", ["applied_at", "decision_date", "tanggalPengajuan"])
def test_a_date_of_decision_by_its_name(loans, name):
    """In the words of lenders."""
    assert columns_of(loans.rename(columns={DATE: name})).date.meant == name


def test_text_that_looks_like_a_date_is_none(loans):
    """The risk questions refuse it, too."""
    assert columns_of(loans.assign(**{DATE: "2026-05-01"})).date.names == ()


def test_a_relatives_signal_is_not_chosen(loans):
    """It is offered, and the customer's own is preselected."""
    both = loans.assign(relative_phone_active_level=loans[LEVEL])
    assert columns_of(both).signal.meant == LEVEL
    alone = both.drop(columns=LEVEL)
    assert columns_of(alone).signal.meant is None


def test_two_own_phones_are_a_choice(loans):
    """Each of them may be the customer's first."""
    assert columns_of(loans.assign(hp_active_level=loans[LEVEL])).signal.meant is None


@pytest.mark.parametrize("seed", range(5))
def test_odd_frames_offer_nothing_wrong(seed):
    """Lists, mixed cells, no cells, names twice and names that are no text."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "default": rng.integers(0, 3, 40),
            "bad": [0] * 40,
            "lists": [[1]] * 40,
            "mixed": [1, "a"] * 20,
            "empty": [None] * 40,
            7: rng.integers(0, 2, 40),
        }
    )
    frame = frame.iloc[:, [*rng.permutation(6), 0]]
    found = columns_of(frame)
    assert found.outcome.names == ()
    assert found.signal.names == ()
    assert found.date.names == ()
    assert set(found.segment.names) <= {"default", "mixed"}
    assert RiskPanel(frame).table is None


def test_what_is_no_frame_is_refused():
    with pytest.raises(RiskInputError, match="DataFrame"):
        RiskPanel([1, 2])


# --- tables and their calls


CHOICES = (
    {},
    {"_late": "keep"},
    {"_date": ""},
    {"_signal": "phone_telco_type"},
    {"_outcome": "approved"},
    {"_segment": "product"},
    {"_segment": "city", "_signal": "phone_frequency_grade", "_date": ""},
    {"_segment": "approved", "_late": "keep"},
)


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_the_code_makes_the_same_table(panel, loans, choice):
    """Run from the reader's own frame, customers found by their phones."""
    for field, value in choice.items():
        getattr(panel, field).value = value
    assert_frame_equal(panel.table, run(panel.code, loans))


def test_repeat_customers_count_once_as_in_the_code():
    """Four loans a number: phones are read once, and the intervals are those of the call."""
    book = with_answers(loan_book(2_000, seed=1, loans=4, person=1.0))
    panel = RiskPanel(book)
    assert_frame_equal(panel.table, run(panel.code, book))
    alone = pna.risk.risk_table(book, LEVEL, "defaulted", as_of=DATE, cluster=None)
    assert not alone["bad_rate_high"].equals(panel.table["bad_rate_high"])


def test_the_readers_frame_is_left_as_it_was(loans):
    """No column is added to it."""
    before = list(loans.columns)
    RiskPanel(loans)
    assert list(loans.columns) == before


def test_a_category_of_ones_own_is_asked_without_a_date(loans):
    """It has no day of purchase, and the panel says so."""
    panel = RiskPanel(loans.assign(grade=pd.Categorical(np.where(loans["score"] > 620, "A", "B"))))
    panel._signal.value = "grade"
    assert panel.code == "table = pna.risk.risk_table(df, 'grade', 'defaulted')"
    assert "no date of purchase" in read(panel._picture.value)
    assert panel._late.disabled


def test_without_a_date_it_says_what_that_means(panel):
    """The function itself says it once a session, the panel with each table."""
    assert "may have seen the outcome" not in read(panel._picture.value)
    panel._date.value = ""
    assert "may have seen the outcome" in read(panel._picture.value)


def test_an_error_is_shown_and_leaves_no_old_table(loans):
    """The other choice is still there."""
    panel = RiskPanel(loans.assign(bad=loans["defaulted"].where(loans.index > 20)))
    panel._outcome.value = "bad"
    assert "21 of 2,000 rows have no" in read(panel._picture.value)
    assert (panel.table, panel.code) == (None, "")
    panel._outcome.value = "defaulted"
    assert panel.table is not None


def test_a_reversed_outcome_is_warned_of(panel):
    """Most loans are approved: 1 may mean a good one."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        panel._outcome.value = "approved"
    assert "If 1 means a good loan" in read(panel._picture.value)


# --- looks


def test_each_table_counts_once(panel):
    """Back and forth are no new looks."""
    assert "1 table with 1 test seen" in read(panel._said.value)
    for value in ("keep", "drop", "keep", "drop"):
        panel._late.value = value
    assert "2 tables with 2 tests seen" in read(panel._said.value)


def test_holm_goes_over_all_p_values_seen(panel):
    """Those of a table by segment, too."""
    panel._signal.value = "phone_telco_type"
    panel._segment.value = "product"
    looks = panel.looks
    products = panel.table.index.get_level_values("product").tolist()
    assert looks["test"].tolist() == ["levels differ"] * 2 + ["segments differ", *products]
    assert looks["p_holm"].tolist() == holm(looks["p_value"]).tolist()
    first = pna.risk.iv_table(panel._frame, LEVEL, "defaulted", as_of=DATE, late="drop")
    assert looks["p_value"].iloc[0] == first["p_value"].item()


def test_noise_that_looks_like_a_finding_is_taken_back(loans):
    """Twenty outcomes without any effect: some pass alone, none after the correction."""
    rng = np.random.default_rng(11)
    flags = {f"flag_{at}": (rng.random(len(loans)) < 0.1).astype(int) for at in range(20)}
    panel = RiskPanel(loans.assign(**flags).drop(columns=["defaulted", "approved"]))
    for name in flags:
        panel._outcome.value = name
    assert (panel.looks["p_value"] < 0.05).sum() >= 1
    assert (panel.looks["p_holm"] < 0.05).sum() == 0
    assert "20 tables with 20 tests seen" in read(panel._said.value)
    assert "0 after Holm" in read(panel._said.value)


# --- the picture


def test_the_picture_draws_each_level_as_svg(panel):
    """A point with its interval, and the line of all who were asked."""
    html = panel._picture.value
    lines = (panel.table["n"] >= 10).sum()
    assert html.count("<svg") == lines
    assert html.count('class="pt"') == lines
    assert "<script" not in html
    assert "http" not in html


def test_small_cells_and_small_segments_are_not_drawn(loans):
    """A value of few customers may be a name."""
    place = np.where(np.arange(len(loans)) < 6, "Budi Santoso", loans["city"])
    panel = RiskPanel(loans.assign(place=place))
    panel._segment.value = "place"
    html = read(panel._picture.value)
    assert "Budi" not in html
    assert "1 line of fewer than 10 customers: not shown." in html
    assert "Budi Santoso" in panel.table.index.get_level_values("place")


def test_few_bads_hide_what_would_reveal_them(loans):
    """The rate, lift, woe and iv beside n give their number away."""
    panel = RiskPanel(loans.iloc[:110])
    row = panel.table.xs(LEVEL).loc["high"]
    assert row["n"] >= 10 > row["bads"]
    line = re.search(r'<tr><th scope="row">high</th>.*?</tr>', panel._picture.value, re.S)[0]
    assert re.findall(r"[\d.]*%|[+-]?\d\.\d+", read(f"<table>{line}</table>")) == [
        f"{row['share']:.1%}"
    ]


def test_numbers_in_names_and_values_are_masked(loans):
    """Columns and segments are the reader's own."""
    number = "0811 8899 532"
    odd = loans.assign(**{number: np.where(np.arange(len(loans)) % 2, number, "x")})
    panel = RiskPanel(odd)
    panel._segment.value = number
    shown = panel._picture.value + str(panel._segment._options_labels) + panel._said.value
    assert "8899" not in shown
    assert "0811" in panel.code
    assert_frame_equal(panel.table, run(panel.code, odd))


def test_an_unforeseen_error_names_no_number(panel, monkeypatch):
    """pandas quotes cells and names, and the card stays in a saved notebook."""

    def broken(*_):
        raise KeyError("08118899532")  # made up

    monkeypatch.setattr("pandas_numberactive._jupyter.risk_panel.answer", broken)
    panel._segment.value = "city"
    assert "Unexpected: KeyError" in panel._picture.value
    assert "8118899532" not in panel._picture.value


def test_the_panel_as_text_holds_no_cell(panel):
    """A terminal shows it."""
    assert repr(panel).startswith("RiskPanel(2,000 rows; a panel in Jupyter")
