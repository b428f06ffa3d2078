"""IEC 62056-21, the optical port: so far the opening of mode E, which hands the line to HDLC."""
