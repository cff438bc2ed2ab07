"""Experiments and candidates with their parameters, metrics, tags, data and logged models; the search language.

Owns every table in `tables.py`. A *candidate* is one training variation; MLflow calls it a run.
`hot/` is the lane on which metrics, parameters and tags arrive; nothing else writes those tables.
"""
