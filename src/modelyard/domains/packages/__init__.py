"""Stored files: packages, their files and the bytes behind them.

Owns `packages`, `package_files`, `blobs`, `uploads`, `upload_parts`. Bytes lie under their SHA-256; names are rows.
"""
