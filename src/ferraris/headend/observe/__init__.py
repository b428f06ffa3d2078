"""How the head-end is watched: metrics, health, logs and spans; never a label by meter.

Rooms import what they need from its modules: whoever only tells what it has seen (`observer`) pays
for no library of logs or metrics.
"""

from __future__ import annotations
