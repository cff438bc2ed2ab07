"""Modelyard: a self-hosted home for machine-learning models."""

__version__ = "0.1.0"
