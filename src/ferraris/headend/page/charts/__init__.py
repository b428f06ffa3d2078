"""Charts as SVG text: pure functions of values and words, for the page and for whoever wants them.

A chart has no colours of its own: its classes are coloured by the page's style sheet, for light
and dark. What a mark means never rests on its colour alone. All words come in with the values.
"""

from __future__ import annotations

from ferraris.headend.page.charts.curve import Curve, Mark, curve
from ferraris.headend.page.charts.daily import Amount, daily
from ferraris.headend.page.charts.drawing import sample
from ferraris.headend.page.charts.share import share_bar
from ferraris.headend.page.charts.success import Arrivals, DayShare, arrivals, days

__all__ = [
    "Amount",
    "Arrivals",
    "Curve",
    "DayShare",
    "Mark",
    "arrivals",
    "curve",
    "daily",
    "days",
    "sample",
    "share_bar",
]
