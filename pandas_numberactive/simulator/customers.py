"""A made-up customer table, as messy as real ones: for the demo, the notebooks and the tests."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_PREFIXES = (
    "811 812 813 821 822 852 853 814 815 856 857 858 817 818 819 859 877 878 895 896 897 "
    "881 882 831 838"
).split()
_CITIES = (
    "Jakarta",
    "Surabaya",
    "Bandung",
    "Medan",
    "Semarang",
    "Makassar",
    "Palembang",
    "Denpasar",
)
_PRODUCTS = ("cash loan", "pay later", "motorcycle", "micro")

_CLEAN: tuple[Callable[[str], str], ...] = (
    lambda n: "0" + n,
    lambda n: "+62" + n,
    lambda n: "62" + n,
    lambda n: n,
    lambda n: f"0{n[:3]}-{n[3:7]}-{n[7:]}",
    lambda n: f"+62 {n[:3]} {n[3:7]} {n[7:]}",
    lambda n: f"(0{n[:3]}) {n[3:]}",
    lambda n: f"0{n[:3]}.{n[3:7]}.{n[7:]}",
    lambda n: n + ".0",
    lambda n: f"{n[0]}.{n[1:]}E{len(n) - 1}",
    lambda n: "HP: 0" + n,
)
_DAMAGED: tuple[Callable[[str], str], ...] = (
    lambda n: "",
    lambda n: "-",
    lambda n: f"6.2{n[:4]}E+{len(n) + 1}",
    lambda n: f"0{n} / 0{n[::-1]}",
    lambda n: f"0{n} (WA)",
    lambda n: f"021{n[3:10]}",
    lambda n: f"+65 {n[:4]} {n[4:8]}",
    lambda n: "0" + n[:5],
    lambda n: "O" + n,
)


def customers(n: int = 5000, seed: int = 0) -> pd.DataFrame:
    """Return a table of made-up customers, as messy as real ones.

    About 88 in 100 phones can be read, in eleven shapes. About 12 in 100 repeat an earlier number
    in another shape.

    Parameters
    ----------
    n
        Rows.
    seed
        Another seed gives other customers.

    Returns
    -------
    pandas.DataFrame
        customer_id, name, city, product, amount_idr (int) and phone (text).

    Examples
    --------
    >>> len(customers(10))
    10
    """
    import pandas as pd

    rng = random.Random(seed)
    known: list[str] = []
    rows = []
    for i in range(n):
        if known and rng.random() < 0.12:
            number = rng.choice(known)
        else:
            number = rng.choice(_PREFIXES) + "".join(
                rng.choices("0123456789", k=rng.choice((7, 7, 8, 8, 8, 6)))
            )
            known.append(number)
        shapes = _CLEAN if rng.random() < 0.88 else _DAMAGED
        weights = (
            [6, 5, 4, 3, 3, 3, 1, 1, 2, 1, 1] if shapes is _CLEAN else [5, 1, 3, 2, 1, 3, 1, 1, 1]
        )
        cell = rng.choices(shapes, weights)[0](number)
        amount = rng.randrange(5, 200) * 100_000
        rows.append(
            (
                f"C{i:06d}",
                f"Customer {i:05d}",
                rng.choice(_CITIES),
                rng.choice(_PRODUCTS),
                amount,
                cell,
            )
        )
    return pd.DataFrame(
        rows, columns=["customer_id", "name", "city", "product", "amount_idr", "phone"]
    )
