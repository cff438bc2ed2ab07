"""MLflow's REST protocol, a file per MLflow noun. Here, and only here, a candidate is called a run."""
