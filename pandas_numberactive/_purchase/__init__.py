"""The money rules for one number: the record, the next step, its execution."""
