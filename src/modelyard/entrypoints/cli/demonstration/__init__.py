"""What `modelyard demo` trains: scikit-learn models on a bundled data set, through the unmodified MLflow client."""
