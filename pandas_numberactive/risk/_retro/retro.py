"""RetroTest: terms that are fixed before the data are seen, and the decision they lead to."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pandas_numberactive._display.tracebacks import without_frames
from pandas_numberactive.risk._engine.book.inputs import outcomes
from pandas_numberactive.risk._engine.retro_terms import RetroTerms
from pandas_numberactive.risk._report.report import RetroReport, report_of
from pandas_numberactive.risk._retro.pilot import Pilot
from pandas_numberactive.risk._retro.samples import SampleSize, sample_size


@dataclass(frozen=True, kw_only=True, repr=False)
class RetroTest(RetroTerms):
    """The terms of a retro test: the worth of the signal on past applications.

    Set them before the outcomes are joined. They are frozen, and their fingerprint stands on the
    report, so that anybody can see that they did not follow from the data.

    Parameters
    ----------
    target, as_of
        Columns of the outcome and of the date of the decision.
    margin, loss
        The earnings of a good loan and the loss of a bad one, above 0, in the settings' currency.
    unit_price
        The price of a look-up; the settings' by default.
    score, bands, cut
        The score in use, as in `incremental`; without either the signal is judged alone.
    by
        Signals, as in `risk_table`. One look-up brings all, so the default is "all".
    smallest_odds_ratio
        The effect, a step from one level to the next, that is worth finding.
    segment
        A column of groups, such as a product, for the question "for whom?".
    within, tz, mature, bad, cluster, weight, counts
        As in all questions, see `risk_table`. `mature` is the age from which an outcome is settled.
    power, folds, seed
        Of the sample size, the cross-fitting and the bootstrap.

    Notes
    -----
    The decision is BUY where the lower 97.5% bound of the cross-fitted worth of a look-up is above
    its price, and the signal adds to the score, both in all and among the applications of one
    month (p < 0.05 after Holm's correction for the signals). Bad rates and levels that both move
    over time go together without a cause.
    It is DO NOT BUY where the upper bound is below the price for every signal, at odds ratios that
    are the same in all bands. Else it is NOT ENOUGH DATA. Only answers that were bought by `within`
    after the decision decide. Late answers join them where enough fresh ones show that the effect
    does not grow with the lag.

    Examples
    --------
    >>> import pandas_numberactive as pna
    >>> from pandas_numberactive.simulator.loanbook import loan_book, with_answers
    >>> terms = pna.risk.RetroTest(
    ...     target="defaulted",
    ...     as_of="application_date",
    ...     score="score",
    ...     margin=800_000,
    ...     loss=6_000_000,
    ...     unit_price=500,
    ...     by="active_level",
    ... )
    >>> terms.sample_size(base_rate=0.1).lookups
    2805
    >>> report = terms.run(with_answers(loan_book(5_000)))
    >>> print(report.decision)
    BUY
    """

    @without_frames
    def sample_size(
        self,
        df: pd.DataFrame | None = None,
        *,
        base_rate: float | None = None,
        share: float | Sequence[float] = (0.3, 0.4, 0.3),
        hit_rate: float = 0.85,
        r2: float = 0.1,
        looks: int = 1,
    ) -> SampleSize:
        """Return the number of look-ups that show the smallest odds ratio, and their cost.

        Nothing is charged.

        Parameters
        ----------
        df
            A table with the target, to take the base rate from. It needs no answers.
        base_rate, share, hit_rate, r2, looks
            As in `pna.risk.sample_size`, with usual values. The base rate is 0.05 by default.

        Returns
        -------
        SampleSize
            answered, lookups, bads, cost and more.

        Raises
        ------
        RiskInputError
            A number is out of its range, or `df` has no usable target.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> terms = pna.risk.RetroTest(
        ...     target="defaulted", as_of="day", margin=8e5, loss=6e6, unit_price=500
        ... )
        >>> terms.sample_size(base_rate=0.1).cost
        1402500.0
        """
        if base_rate is None:
            base_rate = 0.05 if df is None else float(outcomes(df, self.target, self.bad).mean())
        return sample_size(
            base_rate,
            share,
            self.smallest_odds_ratio,
            power=self.power,
            hit_rate=hit_rate,
            r2=r2,
            looks=looks,
            unit_price=self.price,
        )

    @without_frames
    def pilot(
        self,
        df: pd.DataFrame,
        column: Hashable,
        *,
        max_charges: int,
        looks: int = 5,
        late: str = "refuse",
        **options: Any,
    ) -> pd.DataFrame:
        """Buy in random batches until the question is answered, and return the rows bought.

        It charges at most `max_charges` look-ups. Applications with late answers are refused before
        anything is sent, unless late="keep".

        Parameters
        ----------
        df, column
            The table, and its phone column.
        max_charges
            The most look-ups that the whole pilot may charge.
        looks
            Number of equal batches, 1 to 20.
        late
            "refuse" or "keep".
        **options
            Further options of `Pilot`, which also shows each look.

        Returns
        -------
        pandas.DataFrame
            The rows of the table that were bought, with the columns that `enrich` adds.

        Raises
        ------
        RiskInputError
            The terms do not fit the table. Nothing is charged.
        NumberActiveError
            The errors of `enrich`. Everything paid is stored.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> from pandas_numberactive.simulator.loanbook import loan_book
        >>> terms = pna.risk.RetroTest(
        ...     target="defaulted", as_of="application_date", margin=8e5, loss=6e6, unit_price=500
        ... )
        >>> with pna.override(environment="simulator", store=":memory:", progress=False):
        ...     rows = terms.pilot(loan_book(200), "phone", max_charges=20, looks=2, late="keep")
        >>> "phone_active_level" in rows.columns
        True
        """
        pilot = Pilot(
            df,
            column,
            target=self.target,
            max_charges=max_charges,
            looks=looks,
            smallest_odds_ratio=self.smallest_odds_ratio,
            score=self.score,
            cut=self.cut,
            as_of=self.as_of,
            within=self.within,
            tz=self.tz,
            late=late,  # type: ignore[arg-type]
            bad=self.bad,
            cluster=self.cluster,
            seed=self.seed,
            **options,
        )
        return pilot.run()

    @without_frames
    def run(self, df: pd.DataFrame) -> RetroReport:
        """Return the report of an enriched table with outcomes. Nothing is charged.

        Parameters
        ----------
        df
            One row an application: the columns that `enrich` adds, the outcome and the date of the
            decision.

        Returns
        -------
        RetroReport
            The decision, its reasons, its limits and the tables behind it. `to_html` writes one
            file.

        Raises
        ------
        RiskInputError
            The outcome or the dates have gaps, or outcomes are younger than `mature`.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> from pandas_numberactive.simulator.loanbook import loan_book, with_answers
        >>> terms = pna.risk.RetroTest(
        ...     target="defaulted",
        ...     as_of="application_date",
        ...     margin=800_000,
        ...     loss=6_000_000,
        ...     unit_price=500,
        ...     by="active_level",
        ... )
        >>> print(terms.run(with_answers(loan_book(500))).decision)
        NOT ENOUGH DATA
        """
        return report_of(self, df)
