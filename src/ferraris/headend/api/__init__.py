"""The API: operations over HTTP, what is new as a stream, and documents that say so."""

from __future__ import annotations

from ferraris.headend.api.application import application
from ferraris.headend.api.serving import serving_options
from ferraris.headend.api.settings import ApiSettings, settings_of

__all__ = ["ApiSettings", "application", "serving_options", "settings_of"]
