"""A client that we did not write brings an image into a simulated meter."""

from __future__ import annotations

import pytest
from black_boxes import GURUX, foreign, running

from ferraris.meter import image
from ferraris.model.management import ImageTransferStatus

pytestmark = pytest.mark.services


@pytest.mark.parametrize("scheme", ["tcp", "tcp+hdlc"])
def test_all_steps_of_an_image_transfer(scheme: str) -> None:
    octets = image.pack("residential", "FRR-R2.0", bytes(range(250)) * 6)
    with running(scheme, goes_on=True) as meter:
        found = foreign(GURUX, meter, "gmac", image=octets.hex())["image"]
    assert found == {
        "missing": -(-len(octets) // 512),
        "size": len(octets),
        "identification": "R2",
        "signature": image.unpack(octets).signature.hex(),
        "status": ImageTransferStatus.ACTIVATION_INITIATED,
    }
