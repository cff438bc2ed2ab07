"""REST under /api/v4, compatible with GitLab clients, described by OpenAPI."""
