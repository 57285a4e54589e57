"""The rows of a question: terms, inputs, dates, population, score bands."""
