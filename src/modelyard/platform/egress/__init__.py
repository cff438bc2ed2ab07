"""The one outbound client: whatever a user's address makes the server fetch or send goes through here.

An address is resolved once, every address that comes back must be public, and the connection goes to one of those that
were checked. No redirect is followed, no proxy or credential of the environment is used.
"""
