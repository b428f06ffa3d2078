"""General block transfer: any APDU in numbered blocks, streamed, acknowledged, repeated [asn1].

The layout of a block is certain; the procedure around it (windows, recovery, abort) rests on memory
and one implementation, and is tried between our own two ends [memory].
"""
