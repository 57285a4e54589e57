"""Show results: HTML, text and tracebacks without numbers."""
