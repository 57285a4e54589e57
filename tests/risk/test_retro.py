"""RetroTest: terms, the three-valued decision, and the report."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError

import numpy as np
import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive import risk
from pandas_numberactive.errors import ColumnNotFoundError, RiskInputError
from pandas_numberactive.risk import RetroTest
from pandas_numberactive.risk._report.masking import FEW, HIDDEN, NO_CELL, PARTS, masked
from pandas_numberactive.risk._report.rule import Decision, Finding, decide
from pandas_numberactive.simulator.loanbook import loan_book, seen_too_late, with_answers
from tests.display.test_pictures import read
from tests.risk import retro_books
from tests.risk.retro_books import NAME, frame, portfolio

TERMS = {
    "target": "defaulted",
    "as_of": "applied",
    "score": "score",
    "margin": 800_000,
    "loss": 6_000_000,
    "unit_price": 500,
}


@pytest.fixture
def terms():
    return RetroTest(**TERMS)


@pytest.fixture
def real():
    """An odds ratio of 2 a step, bought on the day."""
    return frame(*portfolio(np.random.default_rng(3), 10_000, 2.0))


@pytest.fixture
def null():
    """No effect, bought on the day."""
    return frame(*portfolio(np.random.default_rng(2), 10_000, 1.0, correlation=0.0))


# --- terms


def test_terms_are_frozen(terms):
    """Nobody changes them after the data are seen."""
    with pytest.raises(AttributeError):
        terms.margin = 1


def test_the_fingerprint_follows_each_term(terms):
    """Equal terms share it, and every change moves it."""
    assert terms.fingerprint == RetroTest(**TERMS).fingerprint
    changes = [{"margin": 800_001}, {"score": None}, {"within": "2D"}, {"seed": 1}]
    prints = {RetroTest(**(TERMS | change)).fingerprint for change in changes}
    assert len(prints | {terms.fingerprint}) == 5


def test_the_price_is_fixed_when_terms_are_made():
    """A later change of the settings does not move it."""
    open_terms = {name: value for name, value in TERMS.items() if name != "unit_price"}
    with pna.override(unit_price=700):
        made = RetroTest(**open_terms)
    assert made.price == 700
    with pytest.raises(RiskInputError, match="unit_price=500"):
        RetroTest(**open_terms)


@pytest.mark.parametrize(
    "change", [{"margin": -1}, {"loss": 0}, {"folds": 1}, {"within": 3}, {"bands": "grade"}]
)
def test_wrong_terms_are_refused(change):
    """Before any data are seen."""
    with pytest.raises(RiskInputError):
        RetroTest(**(TERMS | change))


def test_terms_are_shown(terms):
    """As text and as a table, with their fingerprint."""
    assert terms.fingerprint in repr(terms)
    assert terms.fingerprint in read(terms._repr_html_())


def test_the_size_is_known_before_the_data(terms, real):
    """From usual shares, or with the base rate of a table without answers."""
    assert terms.sample_size(base_rate=0.1).lookups < terms.sample_size(base_rate=0.03).lookups
    assert terms.sample_size(real[["defaulted"]]).cost > 0


def test_a_pilot_of_late_rows_is_refused(terms):
    """It says so before it spends."""
    book = loan_book(300).rename(columns={"application_date": "applied"})
    with pytest.raises(RiskInputError, match="Nothing was charged"):
        terms.pilot(book, "phone", max_charges=100)


# --- the decision


def test_the_rule():
    """One that pays is enough to buy; to decline, all must be refuted."""
    pays = Finding("a", 900, 600, 1200, 0.01)
    chance = Finding("b", 900, 600, 1200, 0.2)
    refuted = Finding("c", 10, -5, 30, 0.5)
    unsure = Finding("d", 400, 100, 900, 0.01)
    assert decide([pays, refuted], 500, 2) is Decision.BUY
    assert decide([chance], 500, 1) is Decision.NOT_ENOUGH_DATA
    assert decide([refuted, refuted], 500, 2) is Decision.DO_NOT_BUY
    assert decide([refuted, unsure], 500, 2) is Decision.NOT_ENOUGH_DATA
    assert decide([refuted], 500, 2) is Decision.NOT_ENOUGH_DATA
    assert decide([], 500, 1) is Decision.NOT_ENOUGH_DATA


def test_a_real_signal_is_bought(terms, real):
    """On rows that were bought on their day."""
    report = terms.run(real)
    assert report.decision == "BUY"
    assert report.warnings == ()
    assert "is worth IDR" in report.reasons[0]


@pytest.mark.parametrize(("price", "expected"), [(500, "NOT ENOUGH DATA"), (50_000, "DO NOT BUY")])
def test_a_null_signal_is_not_bought(null, price, expected):
    """At stakes of millions even a small effect pays 500, so noise cannot refute it there."""
    report = RetroTest(**(TERMS | {"unit_price": price})).run(null)
    assert report.decision == expected


def test_a_late_signal_does_not_decide(terms):
    """However strong it looks, all its answers may have seen the outcome."""
    strong = frame(*portfolio(np.random.default_rng(3), 5_000, 4.0), lag_days=180)
    report = terms.run(strong)
    assert report.decision == "NOT ENOUGH DATA"
    assert "on their day" in report.reasons[1]
    assert report.needs.lookups > 0


def test_a_small_sample_does_not_decide(terms, real):
    """Whether it can be tested or not."""
    assert terms.run(real.head(150)).decision == "NOT ENOUGH DATA"
    report = terms.run(real.head(700))
    assert report.decision == "NOT ENOUGH DATA"
    assert "more look-ups are needed" in " ".join(report.reasons)


def test_late_rows_that_saw_the_outcome_stay_out(terms):
    """The fresh half decides, and the report says so."""
    rng = np.random.default_rng(4)
    late = rng.random(12_000) < 0.5
    loans = frame(*portfolio(rng, 12_000, 1.6), lag_days=np.where(late, 200, 0))
    gone = late & (loans["defaulted"] == 1) & loans[NAME].notna() & (rng.random(12_000) < 0.6)
    loans.loc[gone, NAME] = "low"
    report = terms.run(loans)
    assert "Only the fresh rows decide" in report.warnings[0]
    assert int(report.facts["deciding rows"].replace(",", "")) == (~late).sum()
    assert "lateness" in report.tables


def test_the_report_counts_days_as_lateness_does(terms):
    """A date without a time ends at midnight, so 7 and a half days on is within 7 days."""
    half = np.random.default_rng(6).random(4_000) < 0.5
    loans = frame(*portfolio(np.random.default_rng(6), 4_000), lag_days=np.where(half, 7.5, 0))
    shown = terms.run(loans).tables["lateness"]["n"]
    alone = risk.lateness(loans, NAME, "defaulted", as_of="applied")["n"].droplevel("signal")
    assert shown.iloc[0] == len(loans)
    assert alone.iloc[0] == len(loans)
    assert shown.index.tolist() == alone.index.tolist()


def gone_with_the_lag(seed, n=6_000):
    """Half the answers late, and the late ones of people who defaulted gone from their level."""
    rng = np.random.default_rng(seed)
    late = rng.random(n) < 0.5
    loans = frame(*portfolio(rng, n, 1.5), lag_days=np.where(late, 200, 0))
    gone = late & (loans["defaulted"] == 1) & (rng.random(n) < 0.3)
    status = loans["phone_lookup_status"].mask(gone, "no_data")
    return loans.assign(phone_lookup_status=status, **{NAME: loans[NAME].mask(gone)})


@pytest.mark.parametrize("seed", range(3))
def test_lateness_and_the_decision_read_one_test(terms, seed):
    """Neither may call late answers clean that the other refuses."""
    loans = gone_with_the_lag(seed)
    verdict = risk.lateness(loans, NAME, "defaulted", as_of="applied").tests["verdict"].item()
    assert verdict.endswith("with the lag: use the fresh rows")
    assert terms.run(loans).facts["lag"] == verdict


def test_an_effect_that_shrinks_is_not_called_too_few(terms):
    """Late answers of people who have moved on do not show the day."""
    rng = np.random.default_rng(4)
    late = rng.random(12_000) < 0.5
    loans = frame(*portfolio(rng, 12_000, 2.0), lag_days=np.where(late, 200, 0))
    loans.loc[late, NAME] = rng.permutation(loans.loc[late, NAME])
    report = terms.run(loans)
    assert report.facts["lag"] == "shrinks with the lag: use the fresh rows"
    assert "the effect shrinks with the lag" in report.warnings[0]


def test_clean_late_rows_join(terms):
    """Enough fresh rows show that the effect does not grow with the lag."""
    rng = np.random.default_rng(5)
    loans = frame(*portfolio(rng, 12_000, 1.6), lag_days=np.where(rng.random(12_000) < 0.5, 200, 0))
    report = terms.run(loans)
    assert "decide together" in report.warnings[0]
    assert report.facts["deciding rows"] == "12,000"


def test_a_row_without_its_purchase_date_is_refused(terms, real):
    """It would count as in time (A3)."""
    real.loc[:9, "phone_looked_up_at"] = pd.NaT
    with pytest.raises(RiskInputError, match="10 rows"):
        terms.run(real)


def test_young_outcomes_are_refused(real):
    """They are not settled."""
    real["applied"] = pd.Timestamp.now().floor("s") - pd.Timedelta("20D")
    real["phone_looked_up_at"] = real["applied"].dt.tz_localize("UTC")
    with pytest.raises(RiskInputError, match="not"):
        RetroTest(**(TERMS | {"mature": "90D"})).run(real)


def test_without_a_score_it_says_so(real):
    """The signal is judged alone."""
    report = RetroTest(**(TERMS | {"score": None})).run(real)
    assert "No score" in report.warnings[-1]
    assert "separates good from bad" in " ".join(report.reasons)


def page_of(report, tmp_path):
    return report.to_html(tmp_path / "retro.html").read_text(encoding="utf-8")


def section(page, number):
    """Return the text of one section of the page."""
    parts = page.split('<span class="number">')
    return next(part for part in parts if part.startswith(f"{number}</span>"))


def test_a_page_without_a_score_asks_no_gain(real, tmp_path):
    """The gain over a score that nobody gave is no figure. The test stands with the levels."""
    page = page_of(RetroTest(**(TERMS | {"score": None})).run(real), tmp_path)
    assert "name no score, so this was not asked" in section(page, 3)
    assert "<table" not in section(page, 3)
    assert "Test that the levels differ" in section(page, 2)


def test_a_page_calls_a_missing_level_no_level(report, tmp_path):
    """No data is the look-up that brought nothing, which has a line of its own."""
    page = page_of(report, tmp_path)
    assert ">no level<" in section(page, 2)
    assert ">no data<" not in section(page, 2)
    assert ">no data<" in section(page, 1)


@pytest.mark.parametrize(("by", "said"), [("active_level", False), ("all", True)])
def test_one_signal_leads_without_a_choice(by, said):
    """Only among several is the leader chosen on these rows."""
    loans = with_answers(loan_book(3_000, seed=1))
    terms = TERMS | {"as_of": "application_date", "by": by}
    limits = " ".join(RetroTest(**terms).run(loans).limits)
    assert ("Which signal leads" in limits) is said


def test_look_ups_and_their_cost_agree(terms):
    """The rounded number times the price is the amount beside it, and the report says why."""
    late = frame(*portfolio(np.random.default_rng(3), 5_000, 4.0), lag_days=180)
    report = terms.run(late)
    found = re.search(r"about ([\d,]+) new .* about IDR ([\d,]+)", " ".join(report.reasons))
    count, cost = (int(text.replace(",", "")) for text in found.groups())
    assert cost == 500 * count >= report.needs.cost
    assert "sample_size()" in " ".join(report.limits)


# --- the report


@pytest.fixture(scope="module")
def report():
    """The report of a made-up loan book with repeat customers and three signals."""
    loans = with_answers(loan_book(6_000, seed=1))
    terms = TERMS | {"as_of": "application_date", "segment": "product"}
    return RetroTest(**terms).run(seen_too_late(loans, share=0.3))


def test_the_page_is_one_small_file(report, tmp_path):
    """No script, no link, no other host, and below 300 kB."""
    path = report.to_html(tmp_path / "retro.html")
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 300_000
    assert not re.search(r"<script|https?://|src=|href=|url\(|@import|<[^>]*\son[a-z]+=", text)


def test_the_page_answers_eight_questions(report, tmp_path):
    """The decision first, then the evidence, then what it cannot tell."""
    text = report.to_html(tmp_path / "retro.html").read_text(encoding="utf-8")
    heads = re.findall(r"<h2[^>]*>(.*?)</h2>", text)
    assert report.decision in heads[0]
    assert [head[21:22] for head in heads[1:9]] == list("12345678")
    assert report.terms.fingerprint in text


def test_the_page_holds_no_phone_and_no_small_cell(report, tmp_path):
    """Neither in its tables nor in the CSV of the appendix."""
    text = report.to_html(tmp_path / "retro.html").read_text(encoding="utf-8")
    assert not re.search(r"(?<![\d.])(?:\+?62|0)?8[\d -]{8,12}\d(?![\d.])", text)
    for table in report.tables.values():
        shown = masked(table).drop(index="avoided", errors="ignore")
        for name in ("n", "bads"):
            if name in shown:
                counts = [one for one in shown[name] if one not in (None, FEW, HIDDEN)]
                assert min(counts) >= 10


@pytest.mark.parametrize(("psi", "said"), [(0.0, False), (9.0, True)])
def test_a_moved_month_is_joined_to_the_decision(report, tmp_path, monkeypatch, psi, said):
    """A reader sees "moved" beside BUY, and is told what weakens the decision and what does not."""
    months = report.tables["months"]
    moved = months.assign(psi=months["psi"].where(months["psi"].isna(), psi))
    monkeypatch.setitem(report.tables, "months", moved)
    assert ("go together by time alone" in section(page_of(report, tmp_path), 4)) is said


def test_a_page_without_deciding_rows_says_so(tmp_path):
    """It names the questions that it cannot answer, and claims nothing about the terms."""
    late = frame(*portfolio(np.random.default_rng(6), 1_000, 2.0), lag_days=180)
    report = RetroTest(**(TERMS | {"segment": "product"})).run(late)
    text = report.to_html(tmp_path / "late.html").read_text(encoding="utf-8")
    assert "Questions 2 to 6 and 8 need rows" in text
    assert "name no segment" not in text


def test_a_page_is_made_from_a_source_tree(report, tmp_path, monkeypatch):
    """The package need not be installed."""

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("pandas_numberactive.risk._report.contents.version", missing)
    assert "from source" in report.to_html(tmp_path / "retro.html").read_text(encoding="utf-8")


def test_masking_hides_what_would_reveal_a_cell():
    """A rate beside its n gives the bads away."""
    table = pd.DataFrame(
        {
            "n": [9.0, 500, 500, 12, 20],
            "bads": [1.0, 3, 50, 11, 12],
            "bad_rate": [0.1, 0.006, 0.1, 0.9, 0.6],
        }
    )
    shown = masked(table)
    assert shown["n"].tolist() == [FEW, 500, 500, HIDDEN, 20]
    assert shown["bads"].tolist() == [None, FEW, 50, None, FEW]
    assert shown["bad_rate"].tolist() == [None, None, 0.1, None, None]


def test_a_hidden_line_is_covered_by_another():
    """The total less the other lines would give a single one away."""
    shown = masked(pd.DataFrame({"n": [3.0, 900, 500], "bads": [1.0, 90, 50]}))
    assert shown["n"].tolist() == [FEW, 900, HIDDEN]
    assert shown["bads"].tolist() == [None, 90, None]


def test_hidden_bads_are_covered_by_others():
    """Their number is the total less the bads of the other lines."""
    table = pd.DataFrame(
        {"n": [80.0, 900, 500], "bads": [4.0, 90, 50], "bad_rate": [0.05, 0.1, 0.1]}
    )
    shown = masked(table)
    assert shown["n"].tolist() == [80, 900, 500]
    assert shown["bads"].tolist() == [FEW, 90, HIDDEN]
    assert shown["bad_rate"].tolist() == [None, 0.1, None]


def test_two_hidden_lines_of_few_customers_take_a_third():
    """A total of 2 over two hidden lines is one customer each."""
    assert masked(pd.DataFrame({"n": [1.0, 1, 500, 80]}))["n"].tolist() == [FEW, FEW, 500, HIDDEN]


def test_an_empty_line_needs_no_cover():
    """It holds no customer."""
    assert masked(pd.DataFrame({"n": [0.0, 900, 500]}))["n"].tolist() == [FEW, 900, 500]


def test_a_hidden_line_is_covered_within_its_total():
    """The rows asked and all others have totals of their own."""
    table = pd.DataFrame({"n": [5_000.0, 60, 3, 400]})
    table.attrs[PARTS] = {2: 1, 3: 1}
    assert masked(table)["n"].tolist() == [5_000, 60, FEW, HIDDEN]


def test_a_difference_is_no_cell():
    """Bads avoided may be few, or below 0, where both sets are large."""
    table = pd.DataFrame({"n": [500.0, 500, 500], "bads": [50.0, 53, -3]})
    table.attrs[PARTS] = {2: NO_CELL}
    assert masked(table)["bads"].tolist() == [50, 53, -3]


def test_the_swap_gives_no_set_away(real):
    """Bads avoided are those of one set less those of the other."""
    report = RetroTest(**TERMS).run(real.head(500))
    sets = report.tables["swaps"]
    assert sets["bads"].min() < 10
    assert "avoided" not in sets.index


def test_a_segment_named_like_a_phone_is_masked(real, tmp_path):
    """Labels come from the user's column."""
    real["product"] = np.where(np.arange(len(real)) % 2, "0811 8899 532", "micro")
    report = RetroTest(**(TERMS | {"segment": "product"})).run(real)
    assert "8899 532" not in report.to_html(tmp_path / "retro.html").read_text(encoding="utf-8")


def test_the_report_is_shown_in_a_notebook(report):
    """The decision and its reasons, in few bytes."""
    assert report.decision in read(report._repr_html_())
    assert repr(report).startswith(f"Retro test: {report.decision}")


def test_every_decision_has_a_page(terms, null, real, tmp_path):
    """Reports without rows, too."""
    for name, loans in {"null": null, "tiny": real.head(60)}.items():
        text = terms.run(loans).to_html(tmp_path / f"{name}.html").read_text(encoding="utf-8")
        assert "NOT ENOUGH DATA" in text


@pytest.fixture(scope="module")
def four_reports():
    """Reports of four made-up loan books, by name."""
    terms = RetroTest(**retro_books.TERMS)
    return {name: terms.run(book) for name, book in retro_books.four_books().items()}


@pytest.mark.parametrize("name", retro_books.DECISIONS)
def test_only_the_real_book_is_bought(four_reports, name):
    """Neither noise nor late answers nor a few loans are enough."""
    assert four_reports[name].decision in retro_books.DECISIONS[name]


@pytest.mark.parametrize("name", retro_books.DECISIONS)
def test_the_page_of_each_book_may_be_passed_on(four_reports, name, tmp_path):
    """Small, without script, request or phone, and without a cell below 10."""
    path = four_reports[name].to_html(tmp_path / "retro.html")
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 300_000
    assert not re.search(r"<script|https?://|src=|href=|url\(|@import|<[^>]*\son[a-z]+=", text)
    assert not re.search(r"(?<![\d.])(?:\+?62|0)?8[\d -]{8,12}\d(?![\d.])", text)
    counts = re.findall(r'<th scope="row">[^<]*</th><td>([\d,]+)</td>', text)
    assert counts
    assert min(int(count.replace(",", "")) for count in counts) >= 10


def test_a_null_book_at_a_high_price_is_declined():
    """Noise is refuted where even its best is below the price."""
    book = retro_books.four_books()["null"]
    terms = RetroTest(**(retro_books.TERMS | {"unit_price": 50_000}))
    assert terms.run(book).decision == "DO NOT BUY"


def test_the_report_and_the_question_swap_the_same_people(report):
    """A reader who asks the question of the report's rows finds the report's figures."""
    loans = seen_too_late(with_answers(loan_book(6_000, seed=1)), share=0.3)
    asked = risk.swap_set(
        loans,
        report.signal,
        "defaulted",
        score="score",
        as_of="application_date",
        late="drop",
    )
    shown = report.tables["swaps"]
    pd.testing.assert_frame_equal(pd.DataFrame(asked).loc[shown.index], pd.DataFrame(shown))


def test_a_frequency_table_is_decided_as_its_loans(null):
    """A row for each kind of loan, with their number, gives the report of the loans."""
    day = pd.Timestamp("2024-05-01").as_unit("us")
    loans = null.assign(
        score=np.digitize(null["score"], [-0.5, 0.5]),
        applied=day,
        phone_looked_up_at=day.tz_localize("UTC"),
    )
    kinds = [*loans.columns]
    table = loans.groupby(kinds, observed=True, dropna=False).size().reset_index(name="loans")
    each = table.loc[table.index.repeat(table["loans"])].reset_index(drop=True)
    options = TERMS | {"by": NAME, "cluster": None}
    counted = RetroTest(**options, counts="loans").run(table)
    report = RetroTest(**options).run(each)
    assert counted.terms.counts == "loans"
    assert (counted.decision, counted.reasons) == (report.decision, report.reasons)
    assert (counted.facts, counted.needs) == (report.facts, report.needs)
    for name, one in report.tables.items():
        pd.testing.assert_frame_equal(counted.tables[name], one)


def test_a_level_that_moves_by_time_alone_is_named():
    """It has an effect over the year and none in its months, so it does not count."""
    report = RetroTest(**(TERMS | {"by": NAME})).run(
        retro_books.drifting(np.random.default_rng(1), 10_000)
    )
    line = report.tables["signals"].loc[NAME]
    assert line["p_value"] < 0.001 < 0.05 < line["p_months"] == line["p_holm"]
    assert not line["adds"]
    assert "moved together over the months" in " ".join(report.warnings)
    assert report.decision != "BUY"


def test_a_signal_without_an_effect_asks_for_no_millions(terms):
    """A worth that is chance says nothing of the look-ups it would take to prove it."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        report = terms.run(frame(*portfolio(rng, 4_000, 1.0, correlation=0.0)))
        assert report.decision == "NOT ENOUGH DATA"
        assert report.needs.lookups < 8 * 4_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"by": 5},
        {"power": 2},
        {"power": "x"},
        {"smallest_odds_ratio": 1},
        {"seed": -1},
        {"seed": "x"},
    ],
)
def test_terms_that_no_size_satisfies_are_refused(wrong):
    """A power of 2 was sought without end."""
    with pytest.raises(RiskInputError, match=f"{next(iter(wrong))} is (a|the)"):
        RetroTest(**(TERMS | wrong))


def test_a_segment_that_is_no_column_is_named(null):
    with pytest.raises(ColumnNotFoundError, match="nope"):
        RetroTest(**(TERMS | {"by": NAME, "segment": "nope"})).run(null.head(1_000))
