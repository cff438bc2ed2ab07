"""Where things live and who may see them: groups, projects, members, roles, visibility.

Owns `namespaces`, `projects`, `members`, `token_places`. `access.py` has the abilities and `require`.
A *namespace* is a group or a person's own place; both hold projects. Words as in GitLab.
"""
