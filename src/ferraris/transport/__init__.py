"""How talk is carried: wrapper, HDLC, and the communication profiles made of them."""
