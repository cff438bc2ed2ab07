"""House rules that no general tool knows: each is one file here with its own tests in `tests/tools/house`.

A rule's exceptions are listed in `exceptions.toml` with their reasons; one that is no longer needed is a finding too.
"""
