"""Runs due tasks, schedules and the delivery of events."""
