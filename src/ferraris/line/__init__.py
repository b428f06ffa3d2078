"""Line: the only door to the wire; drivers for asyncio, blocking sockets and virtual time."""
