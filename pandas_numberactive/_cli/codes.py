"""The exit codes of the command line."""

from __future__ import annotations

import enum


class Exit(enum.IntEnum):
    """The exit codes of the command line."""

    COMPLETE = 0
    BROKEN = 1  # from doctor: no run could start
    USAGE = 2
    INCOMPLETE = 3  # numbers are left pending or not bought, or an invoice does not match
