"""The web page of the head-end: server-rendered, live, in the reader's language, self-contained."""

from __future__ import annotations
