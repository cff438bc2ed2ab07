"""`python -m modelyard` is `modelyard`."""

import importlib

importlib.import_module("modelyard.entrypoints.cli.main").main()
