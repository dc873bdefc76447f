"""The only package that knows SQL.

Fixed statements are written out in ``statements.sql``, portable between SQLite and PostgreSQL, and run on plain driver
connections, because a script's start must not pay for loading SQLAlchemy; listings with filters are
built by SQLAlchemy Core (``listings``), which is loaded when the first listing asks for it.
"""
