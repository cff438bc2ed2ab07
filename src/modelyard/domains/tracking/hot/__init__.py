"""The lane on which candidates and their metrics, parameters and tags arrive; nothing else writes those tables.

A request becomes an operation (`operations.py`); a group of them is written by `writing.py`, the points of a candidate
as one packed segment (`points.py`); the compactor folds segments to chunks (`compaction.py`); `history.py` reads both.
"""
