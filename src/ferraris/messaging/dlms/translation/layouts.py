"""The table of all APDUs: each class once, with the elements of its fields.

From this table alone come XML and JSON, both ways. [asn1]; `names.WEAK` says what rests on less.
"""

from __future__ import annotations

from ferraris.messaging.dlms.translation.building import Layout
from ferraris.messaging.dlms.translation.layouts_access import ACCESS
from ferraris.messaging.dlms.translation.layouts_around import AROUND
from ferraris.messaging.dlms.translation.layouts_association import ASSOCIATION
from ferraris.messaging.dlms.translation.layouts_services import SERVICES
from ferraris.messaging.dlms.translation.layouts_short_names import SHORT_NAMES

__all__ = ["LAYOUTS", "Layout"]

LAYOUTS: dict[type, Layout] = dict((*ASSOCIATION, *SERVICES, *ACCESS, *SHORT_NAMES, *AROUND))
"""Every class of APDU but the service-specific ciphered ones, whose content is all they have."""
