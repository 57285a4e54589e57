"""The report as one self-contained HTML page: no script, no link, legible in grey and on paper."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pandas as pd

from pandas_numberactive._config.settings import settings
from pandas_numberactive._display.html import esc, html_table
from pandas_numberactive.risk._report.contents import versions
from pandas_numberactive.risk._report.forest import Forest, framed, label, text_of
from pandas_numberactive.risk._report.masking import masked
from pandas_numberactive.risk._report.rule import Decision
from pandas_numberactive.risk._report.style import STYLE
from pandas_numberactive.risk._report.words import amount, unscored

if TYPE_CHECKING:
    from pandas_numberactive.risk._report.contents import Contents

_SHAPES = {
    Decision.BUY: "&#9650;",
    Decision.DO_NOT_BUY: "&#9660;",
    Decision.NOT_ENOUGH_DATA: "&#9670;",
}
_SIGNS = {Decision.BUY: "buy", Decision.DO_NOT_BUY: "dont", Decision.NOT_ENOUGH_DATA: "wait"}
_AWAY = "moved"
_MOVED = (
    "A month that moved has another mix of levels than the first month. Where bad rates move, too, "
    "levels and outcomes go together by time alone. So a signal must also add among people of one "
    "month (p months, above). The worth below compares all months."
)


def page(report: Contents) -> str:
    """Return the whole page."""
    title = f"Retro test: {label(report.signal)} against {label(report.terms.target)}"
    sections = "".join(part(report) for part in _SECTIONS)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{esc(title)}</title><style>{STYLE}</style></head><body><main>"
        f"<h1>{esc(title)}</h1>{_intro(report)}{_decision(report)}{sections}</main></body></html>"
    )


def short(report: Contents) -> str:
    """Return the decision and its reasons for a notebook."""
    lines = [("because", text) for text in report.reasons]
    lines += [("note", text) for text in report.warnings]
    lines.append(("terms", report.terms.fingerprint))
    return html_table(
        f"Retro test: {report.decision}",
        lines,
        'report.to_html("retro.html") writes the whole report; report.tables has the figures.',
    )


# --- pieces


def _intro(report: Contents) -> str:
    facts = report.facts
    return (
        f'<p class="faint">{esc(facts["applications"])} applications, decided '
        f"{esc(facts['decided'])}. Terms {esc(report.terms.fingerprint)}: compare them with those "
        f"that were filed before the outcomes were joined. Made {esc(report.made)}.</p>"
    )


def _decision(report: Contents) -> str:
    shape = _SHAPES[report.decision]
    lines = "".join(f"<p>{_unbroken(text)}</p>" for text in report.reasons)
    notes = "".join(f'<p class="note">{_unbroken(text)}</p>' for text in report.warnings)
    return (
        f'<section class="decision {_SIGNS[report.decision]}" aria-labelledby="decision">'
        f'<h2 id="decision"><span aria-hidden="true">{shape}</span> {esc(report.decision)}</h2>'
        f"{lines}{notes}</section>"
    )


def _unbroken(text: str) -> str:
    """Return a sentence whose amounts stay on one line."""
    currency = esc(settings().currency)
    return esc(text).replace(f"{currency} ", f"{currency}&nbsp;")


def _section(number: str, title: str, lead: str, body: str) -> str:
    head = f'<span class="number">{number}</span> ' if number else ""
    text = f'<p class="faint">{esc(lead)}</p>' if lead else ""
    return f"<section><h2>{head}{esc(title)}</h2>{text}{body}</section>"


def plain_table(table: pd.DataFrame, columns: Iterable[str], caption: str) -> str:
    """Return some columns of a table, small cells masked."""
    names = [name for name in columns if name in table.columns]
    shown = masked(table[names])
    head = "".join(f'<th scope="col">{esc(name.replace("_", " "))}</th>' for name in names)
    body = "".join(
        f'<tr><th scope="row">{esc(label(key))}</th>'
        + "".join(f"<td>{esc(text_of(row[name], name))}</td>" for name in names)
        + "</tr>"
        for key, row in zip(shown.index, shown.to_dict("records"), strict=True)
    )
    return framed(
        caption,
        f'<thead><tr><th scope="col">{esc(str(table.index.name or ""))}</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody>",
    )


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:,.0f}"


def _rate(value: float) -> str:
    return f"{value:.1%}"


def _amount(value: float) -> str:
    """Return an amount without its currency, which the caption gives."""
    return f"{value:,.0f}" if round(value) else "0"


def _has_moved(months: pd.DataFrame) -> bool:
    """Return True where the levels of a month are mixed otherwise than chance does."""
    return any(_shifted(row).endswith(_AWAY) for row in months.to_dict("records"))


def _shifted(row: dict[Any, Any]) -> str:
    psi = row["psi"]
    if psi is None:
        return "" if isinstance(row["n"], str) else "first month"
    reading = _AWAY if psi > row["psi_limit"] else "as before"
    return f"{psi:.3f} (chance {row['psi_limit']:.3f}), {reading}"


def _column(name: str) -> Callable[[dict[Any, Any]], str]:
    def text(row: dict[Any, Any]) -> str:
        return text_of(row[name], name)

    return text


# --- sections


def _terms(report: Contents) -> str:
    rows = "".join(
        f'<tr><th scope="row">{esc(name)}</th><td class="text">{esc(value)}</td></tr>'
        for name, value in report.terms.lines()
    )
    caption = f"<caption>Terms {esc(report.terms.fingerprint)}</caption>"
    body = f"<table>{caption}<tbody>{rows}</tbody></table>"
    note = (
        "BUY: the lower 97.5% bound of a look-up's worth is above its price, and the signal adds "
        "to the score, within months of decision, too (p < 0.05 after Holm). DO NOT BUY: the upper "
        "bound is below the price for every signal. Else NOT ENOUGH DATA."
    )
    return (
        f"<details><summary>Terms and rule</summary>"
        f'<p class="faint">{esc(note)}</p>{body}</details>'
    )


def _coverage(report: Contents) -> str:
    table = report.tables["coverage"]
    columns = ["n", "share", "bads", "bad_rate", "bad_rate_low", "bad_rate_high"]
    body = plain_table(table, columns, "Applications by the fate of their look-up")
    lead = (
        "Matched against unmatched: applications without an answer may differ from the others. "
        "Failed look-ups and applications that were not asked enter no test."
    )
    if "levels" not in report.tables:
        note = "Questions 2 to 6 and 8 need rows that may decide. There are too few of them."
        body += f'<p class="note">{note}</p>'
    return _section("1", "How many are covered?", lead, body)


def _separates(report: Contents) -> str:
    if "levels" not in report.tables:
        return ""
    table = report.tables["levels"]
    overall = float(table["bads"].sum() / table["n"].sum())
    forest = Forest(table, "bad_rate", reference=overall, zero=True, text=_rate)
    body = forest.html(
        f"Bad rate by {label(report.signal)}; the dashed line is {overall:.1%}, that of all",
        "bad rate, 95% interval",
    )
    if "separation" in report.tables:
        columns = ["auc", "auc_low", "auc_high", "gini", "ks"]
        caption = "Separation by level alone, on rows with a level"
        body += plain_table(report.tables["separation"], columns, caption)
    if unscored(report.terms):
        body += _tested(
            report,
            "Test that the levels differ, and within months; the larger p is corrected for signals",
        )
    return _section("2", "Does it separate good from bad?", "", body)


def _adds(report: Contents) -> str:
    if "signals" not in report.tables:
        return ""
    title = "Does it add to the score?"
    if unscored(report.terms):
        text = "The terms name no score, so this was not asked. RetroTest(score=...) asks it."
        return _section("3", title, text, "")
    table = report.tables["signals"]
    body = _tested(
        report,
        "Test within score bands, and within months; the larger p is corrected for signals",
        "adds",
    )
    gains = ["gini_score", "gini_both", "d_gini", "d_gini_low", "d_gini_high"]
    body += plain_table(table, gains, "Gini with and without each signal, and the gain")
    body += _by_band(report) + _swapped(report)
    return _section("3", title, "", body)


def _tested(report: Contents, caption: str, *more: str) -> str:
    columns = ["n", "chi2", "df", "p_value", "p_months", "p_holm", *more]
    return plain_table(report.tables["signals"], columns, caption)


def _by_band(report: Contents) -> str:
    bands = report.tables["bands"]
    if len(bands) < 2:
        return ""
    same = report.facts["same odds ratio in all bands"]
    return Forest(bands, "odds_ratio", reference=1.0, log=True, text=_ratio).html(
        f"Odds ratio of {label(report.facts['compared'])} against the other levels, by band. Test "
        f"that it is the same in all bands: {same}",
        "odds ratio, 95% interval",
    )


def _swapped(report: Contents) -> str:
    if "swaps" not in report.tables:
        return ""
    return plain_table(
        report.tables["swaps"],
        ["n", "share", "bads", "bad_rate", "bad_rate_low", "bad_rate_high"],
        "Swap set: 70% approved by the score, and by score and signal (avoided: swap out less "
        "swap in)",
    )


def _holds(report: Contents) -> str:
    if "months" not in report.tables:
        return ""
    level = label(report.facts["compared"])
    forest = Forest(
        report.tables["months"],
        "odds_ratio",
        reference=1.0,
        log=True,
        text=_ratio,
        extra=[("mix against the first month (PSI)", _shifted)],
    )
    same = report.facts["same odds ratio in all months"]
    body = forest.html(
        f"Odds ratio of {level} by month of decision. Test that it is the same in all months: "
        f"{same}. Without a shift, the PSI stays below its chance line 19 times in 20",
        "odds ratio, 95% interval",
    )
    if _has_moved(report.tables["months"]):
        body += f'<p class="note">{_MOVED}</p>'
    return _section("4", "Does it hold?", "", body)


def _whom(report: Contents) -> str:
    if "levels" not in report.tables:
        return ""
    if "segments" not in report.tables:
        text = "The terms name no segment, so this was not asked. RetroTest(segment=...) asks it."
        return _section("5", "For whom?", text, "")
    level = label(report.facts["compared"])
    forest = Forest(
        report.tables["segments"],
        "odds_ratio",
        reference=1.0,
        log=True,
        text=_ratio,
        extra=[("bad rate", _column("bad_rate")), ("p (Holm)", _column("p_holm"))],
    )
    body = forest.html(
        f"Odds ratio of {level} within score bands, by {label(report.terms.segment)}",
        "odds ratio, 95% interval",
    )
    return _section("5", "For whom?", "", body)


def _price(report: Contents) -> str:
    if "price" not in report.tables:
        return ""
    forest = Forest(
        report.tables["price"],
        "worth",
        reference=report.terms.price,
        zero=True,
        text=_amount,
        extra=[("bad rate", _column("bad_rate")), ("advice", _column("advice"))],
    )
    body = forest.html(
        f"Worth of a look-up by score band, in {settings().currency}; the dashed line is the "
        f"price, {amount(report.terms.price)}. Chosen: the bands that pay, learned on other rows",
        "worth, 95% interval",
    )
    lead = (
        "Decisions are learned on other rows than those that they are paid out on. Where no answer "
        "changes the decision, a look-up is worth nothing."
    )
    return _section("6", "At what price, and whom to look up?", lead, body)


def _cannot(report: Contents) -> str:
    items = "".join(f"<li>{esc(text)}</li>" for text in report.limits)
    body = f"<ul>{items}</ul>"
    if "lateness" in report.tables:
        table = report.tables["lateness"]
        forest = Forest(table, "odds_ratio", reference=1.0, log=True, text=_ratio)
        body += forest.html(
            f"Odds ratio by the days between decision and purchase: {report.facts['lag']}",
            "odds ratio, 95% interval",
        )
    return _section("7", "What this cannot tell", "", body)


def _watch(report: Contents) -> str:
    if "watch" not in report.tables:
        return ""
    body = plain_table(
        report.tables["watch"].apply(_watched, axis=1),
        ["now", "alarm_below", "alarm_above"],
        "Limits for a month of new look-ups, three standard errors wide",
    )
    return _section("8", "What to watch", "", body)


def _watched(row: pd.Series[Any]) -> pd.Series[Any]:
    """Return a line of figures as people read them: shares, or the PSI."""
    how = ".3f" if "PSI" in str(row.name) else ".1%"
    return row.map(lambda value: "" if math.isnan(value) else format(value, how))


def _appendix(report: Contents) -> str:
    made = "".join(
        f'<tr><th scope="row">{esc(name)}</th><td class="text">{esc(value)}</td></tr>'
        for name, value in (versions() | report.facts).items()
    )
    files = "".join(
        f"<details><summary>{esc(name)}.csv</summary><pre>{esc(csv_of(table))}</pre></details>"
        for name, table in report.tables.items()
    )
    call = f"<pre>{esc(call_of(report))}</pre>"
    table = f"<table><caption>Versions and facts</caption><tbody>{made}</tbody></table>"
    note = (
        "Cells of fewer than 10 customers are not shown, rates that would reveal them are blank, "
        'and "hidden" are cells from which a total would give a small one away.'
    )
    return _section("", "Appendix", note, f"{call}{_terms(report)}{table}{files}")


def csv_of(table: pd.DataFrame) -> str:
    """Return a masked table as CSV."""
    shown = masked(table).map(_short)
    shown.index = pd.Index([label(key) for key in shown.index], name=table.index.name)
    return str(shown.to_csv(lineterminator="\n"))


def _short(value: Any) -> Any:
    """Return a number with six digits, anything else as it is."""
    return f"{value:.6g}" if isinstance(value, float) else value


def call_of(report: Contents) -> str:
    """Return the call that makes this report."""
    given = [(name, value) for name, value in vars(report.terms).items() if value is not None]
    lines = ",\n".join(f"    {name}={value!r}" for name, value in given)
    return f"terms = pna.risk.RetroTest(\n{lines},\n)\nreport = terms.run(loans)"


_SECTIONS: tuple[Callable[[Contents], str], ...] = (
    _coverage,
    _separates,
    _adds,
    _holds,
    _whom,
    _price,
    _cannot,
    _watch,
    _appendix,
)
