"""Write the journal: group commit, SQLite, PostgreSQL."""
