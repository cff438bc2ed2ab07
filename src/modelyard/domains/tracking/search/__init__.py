"""The search language: text → tokens → a tree → SQL with binds. It knows words and columns, and no use case.

`syntax` has the tree and prints it, `parser` reads it against a `vocabulary`, `comparing` and `conditions` write SQL,
`keyset` pages through any order. It is a superset of MLflow's filter strings: OR, NOT, parentheses, IN for every text.
"""
