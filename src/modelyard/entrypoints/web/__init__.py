"""The pages: server-rendered HTML for people, made interactive by htmx and a few custom elements.

Each noun has a file with its routes; `templating` turns what they gather into markup, `chrome` says where one is.
"""
