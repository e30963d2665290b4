"""SQLite: what lasts.

- ``database``  one file in WAL mode, transactions, and one signal after each commit
- ``table``     a table of frozen dataclasses: key columns to look up by, the whole row as JSON
"""
