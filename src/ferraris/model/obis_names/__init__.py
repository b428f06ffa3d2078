"""Names of OBIS codes: what an object means, in words, and which codes answer to given words.

The tables are the text files in this folder and are read at the first look-up, each medium by
itself. Electricity, gas, heat, cooling, water and heat cost allocators are named group by group;
the other media share the abstract objects.
"""

from __future__ import annotations

from ferraris.model.obis_names.names import (
    GroupMeaning,
    classes,
    groups,
    is_known,
    name,
    provenance,
)
from ferraris.model.obis_names.search import Found, search
from ferraris.model.obis_names.tables import rows

__all__ = [
    "Found",
    "GroupMeaning",
    "classes",
    "groups",
    "is_known",
    "name",
    "provenance",
    "rows",
    "search",
]
