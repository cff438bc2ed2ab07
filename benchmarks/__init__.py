"""The figures we promise, measured beside `mlflow server` and FastTrackML in one run."""
