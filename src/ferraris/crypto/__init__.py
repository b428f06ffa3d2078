"""Cryptography as pure functions: the only room that imports `cryptography`.

Every function raises `SecurityError` when a check fails and never answers with a boolean. The
library behind is loaded when the first key is used, not when this package is imported.
"""
