"""Says APDUs, hex on the command line, in the XML of a foreign translator; JSON comes out."""

from __future__ import annotations

import contextlib
import io
import json
import sys

from gurux_dlms import GXByteBuffer, GXDLMSTranslator
from gurux_dlms.enums.TranslatorOutputType import TranslatorOutputType


def translated(text: str) -> str | None:
    """The XML of one APDU, None when the translator fails on it."""
    translator = GXDLMSTranslator(TranslatorOutputType.STANDARD_XML)
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            return str(translator.pduToXml(GXByteBuffer(bytes.fromhex(text))))
        except Exception:  # noqa: BLE001 - it fails in many ways
            return None


print(json.dumps([translated(text) for text in sys.argv[1:]]))
