"""The journal: every answer, open requestId, claim and charge, on disk before anyone acts on it."""
