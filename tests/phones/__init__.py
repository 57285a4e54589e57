"""Phone cells: one rule set for a column and for one cell, held against a strict reading."""
