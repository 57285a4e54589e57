"""The proof that money is safe: model check, simulated runs, negative controls, kill loops."""
