"""HDLC, frame type 3: the link of local ports, serial lines and many modems [hdlc-quoted]."""
