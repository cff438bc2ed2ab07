"""One module a workload: what it prepares, what it sends, what it records."""
