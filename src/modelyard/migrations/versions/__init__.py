"""Every migration, oldest first."""
