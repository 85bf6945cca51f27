"""Write the report of a study: evidence, answer, tables, figures and pages."""
