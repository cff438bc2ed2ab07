"""Where bytes lie: a local directory or an object store, behind one interface."""
