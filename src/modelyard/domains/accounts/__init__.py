"""People and the ways they prove who they are: users, passwords, browser sessions, access tokens.

Owns `users`, `web_sessions`, `access_tokens`, `one_time_links`. An *actor* is who makes a request.
"""
