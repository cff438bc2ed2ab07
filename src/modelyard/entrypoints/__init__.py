"""Every way in. An entrypoint translates a protocol to one call of a use case and back; it decides nothing."""
