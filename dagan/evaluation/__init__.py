"""How good generated images are: the judge, the metrics on its features, and pictures."""
