"""Run one call of enrich: plan, buy, account, report."""
