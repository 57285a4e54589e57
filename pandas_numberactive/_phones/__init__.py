"""Read phone cells: each becomes a national number or a reason."""
