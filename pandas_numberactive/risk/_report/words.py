"""The sentences of the report: reasons for the decision, and what the test cannot tell."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pandas_numberactive._config.settings import settings
from pandas_numberactive._display.text import money
from pandas_numberactive.risk._engine.lag import Lag
from pandas_numberactive.risk._report.needs import Needs, settled_on
from pandas_numberactive.risk._report.rule import Decision, Finding

if TYPE_CHECKING:
    from pandas_numberactive.risk._engine.retro_terms import RetroTerms
    from pandas_numberactive.risk._report.evidence import Evidence


def amount(value: float) -> str:
    """Return an amount of money in the settings' currency."""
    sign = "-" if round(value) < 0 else ""
    return sign + money(abs(value), settings().currency)


def unscored(terms: RetroTerms) -> bool:
    """Return True where the terms name neither a score nor bands."""
    return terms.score is None and terms.bands is None


def p_text(p: float) -> str:
    """Return a p-value as people read it."""
    if math.isnan(p):
        return "p not known"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def points(value: float) -> str:
    """Return a difference of Gini coefficients in points."""
    return f"{100 * value:+.1f}"


def reasons(
    terms: RetroTerms,
    decision: Decision,
    lead: Evidence,
    findings: list[Finding],
    needs: Needs,
) -> list[str]:
    """Return the sentences under the decision."""
    worth = next((one for one in findings if one.signal == lead.signal), None)
    if worth is None:
        return _without_rows(terms, lead, needs)
    lines = [_price(terms, worth), _added(terms, lead)]
    if decision is Decision.DO_NOT_BUY:
        return [f"A look-up is worth at most {amount(max(one.high for one in findings))}.", *lines]
    if decision is Decision.NOT_ENOUGH_DATA:
        lines += _unsure(terms, lead, worth, needs)
    return lines


def _price(terms: RetroTerms, worth: Finding) -> str:
    return (
        f"A look-up is worth {amount(worth.worth)} ({amount(worth.low)} to {amount(worth.high)}) "
        f"by {worth.signal}, and costs {amount(terms.price)}."
    )


def _added(terms: RetroTerms, lead: Evidence) -> str:
    line = lead.line
    verb = "adds" if line["adds"] else "shows no effect"
    if unscored(terms):
        alone = "separates good from bad" if line["adds"] else "shows no effect"
        return f"{lead.signal} {alone} ({p_text(line['p_holm'])})."
    beside = "to the score" if line["adds"] else "beside the score"
    return (
        f"{lead.signal} {verb} {beside} ({p_text(line['p_holm'])}): Gini "
        f"{100 * line['gini_score']:.1f} to {100 * line['gini_both']:.1f}, "
        f"{points(line['d_gini'])} points ({points(line['d_gini_low'])} to "
        f"{points(line['d_gini_high'])}) after correction for the fit."
    )


def _unsure(terms: RetroTerms, lead: Evidence, worth: Finding, needs: Needs) -> list[str]:
    out = []
    if needs.lookups:
        out.append(_still_needed(terms, needs))
    elif not lead.line["adds"]:
        out.append(
            f"These rows would have shown an odds ratio of {needs.smallest:.2f} a step with "
            f"{terms.power:.0%} power, and showed none. A smaller effect could still pay, so more "
            "look-ups are unlikely to change this soon."
        )
    else:
        out.append("The effect is there, but its worth is too close to the price to decide.")
    return out


def _still_needed(terms: RetroTerms, needs: Needs) -> str:
    count = _rounded(needs.lookups)
    cost = amount(count * terms.price)
    text = f"About {count:,} more look-ups are needed, one an application, for about {cost}"
    when = settled_on(terms, needs)
    return f"{text}; their outcomes are settled in {when}." if when else f"{text}."


def _without_rows(terms: RetroTerms, lead: Evidence, needs: Needs) -> list[str]:
    rows = lead.rows
    bads = int(rows.bad.sum())
    late = lead.lateness.late
    lines = []
    if late and not lead.lateness.fresh:
        lines.append(
            f"All {late:,} answers were bought after the decision, so they may have seen the "
            "outcome. They cannot decide."
        )
    else:
        lines.append(
            f"Only {len(rows):,} rows may decide, and {_few(bads)} of them are bad: at least 30 "
            "bad and 30 good ones are needed."
        )
    count = _rounded(needs.lookups)
    lines.append(
        f"Look up about {count:,} new applications on their day, for about "
        f"{amount(count * terms.price)}."
    )
    when = settled_on(terms, needs)
    if when:
        lines.append(f"With the present intake, their outcomes are settled in {when}.")
    return lines


def _few(count: int) -> str:
    return "fewer than 10" if count < 10 else f"{count:,}"


def _rounded(count: int) -> int:
    """Return a count rounded up to two digits, as an estimate deserves."""
    size: int = 10 ** max(0, len(str(count)) - 2)
    return math.ceil(count / size) * size


def warnings_of(terms: RetroTerms, found: list[Evidence]) -> list[str]:
    """Return what the reader must know before the figures are used.

    Signals of one look-up share their dates, so sentences that are equal are written once.
    """
    named: dict[str, list[str]] = {}
    for one in found:
        if one.lateness.late and one.lateness.fresh:
            named.setdefault(_late(one), []).append(one.signal)
    out = [f"{', '.join(signals)}: {text}" for text, signals in named.items()]
    out += [_by_time(one) for one in found if one.by_time_alone]
    if unscored(terms):
        out.append("No score was given, so the worth is that of the signal alone.")
    return out


def _by_time(one: Evidence) -> str:
    return (
        f"{one.signal}: levels and bad rates moved together over the months. Among people of one "
        f"month it shows no effect ({p_text(one.line['p_months'])}), so it does not count."
    )


def _late(one: Evidence) -> str:
    late = one.lateness
    text = f"{late.late:,} of {late.late + late.fresh:,} answers are late"
    if one.joined:
        return (
            f"{text}. Their effect does not differ from that of the fresh ones, so they decide "
            "together."
        )
    if late.reading is Lag.GROWS:
        return (
            f"{text}, and the effect grows with the lag ({p_text(late.growth.p)}): they saw the "
            "outcome. Only the fresh rows decide."
        )
    if late.reading is Lag.SHRINKS:
        return (
            f"{text}, and the effect shrinks with the lag ({p_text(late.growth.p)}): they do not "
            "show it as it was on the day. Only the fresh rows decide."
        )
    return f"{text}, and the fresh ones are too few to compare. Only the fresh rows decide."


def limits_of(terms: RetroTerms, lead: Evidence, needs: Needs, signals: int) -> list[str]:
    """Return what this test cannot tell. `signals` is the number of signals in the terms."""
    out = [
        "Applicants who were declined have no outcome. A signal that would rescue some of them is "
        "worth more than shown here.",
        "The signal tells how a phone number is used. It is neither income nor character.",
    ]
    if lead.late:
        out.insert(0, "Late answers are among the rows that decide. They may know more.")
    if lead.rows.cluster is not None:
        people = len(set(lead.rows.cluster.tolist()))
        out.append(
            f"{len(lead.rows):,} rows are loans of {people:,} numbers. Intervals allow for that, "
            "but a repeat customer's earlier loan may explain both signal and outcome."
        )
    if math.isfinite(needs.smallest):
        out.append(
            f"These rows show an odds ratio of {needs.smallest:.2f} a step or more with "
            f"{terms.power:.0%} power. Smaller effects stay hidden."
        )
    if needs.lookups:
        out.append(_reckoning(lead))
    if signals > 1:
        out.append(
            "Which signal leads the report was chosen on these rows, among those of the terms."
        )
    return out


def _reckoning(lead: Evidence) -> str:
    """Return how the look-ups that are still needed were counted."""
    have = f", less the {len(lead.rows):,} that may decide already" if len(lead.rows) else ""
    return (
        "The look-ups that are still needed count one for each application. They follow from the "
        f"levels, the bad rate and the intervals of these rows{have}. sample_size() takes shares "
        "and rates that you assume, so its number differs."
    )
