"""The report: evidence, answer, tables, figures and pages."""
