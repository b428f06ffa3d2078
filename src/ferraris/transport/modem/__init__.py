"""Dial-up modems: the AT dialogue as a layer under whatever the connection carries."""
