"""How the manual is built: Sphinx, with pages in Markdown (MyST)."""

from __future__ import annotations

import sys
from pathlib import Path

from ferraris._version import __version__

_HERE = Path(__file__).parent
sys.path.insert(0, str(_HERE))

import class_pages  # noqa: E402 - beside this file
import template_pages  # noqa: E402

class_pages.write(_HERE / "classes")
template_pages.write(_HERE / "templates")

project = "Ferraris"
author = "The Ferraris authors"
copyright = "2026, the Ferraris authors"
release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"

html_theme = "alabaster"
html_theme_options = {"description": "Smart metering, from the octets to the head-end"}
