"""A local vendor for trying and testing: answers, customers and loans are made up."""

from pandas_numberactive.simulator.customers import customers
from pandas_numberactive.simulator.faults import KINDS, Faults
from pandas_numberactive.simulator.ledger import Charge, Ledger, answer_for
from pandas_numberactive.simulator.server import Simulator, serve_forever

__all__ = [
    "KINDS",
    "Charge",
    "Faults",
    "Ledger",
    "Simulator",
    "answer_for",
    "customers",
    "serve_forever",
]
