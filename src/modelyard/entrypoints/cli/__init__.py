"""Commands for operators and users."""
