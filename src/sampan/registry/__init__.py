"""Registries: the client side of the OCI distribution specification. Nothing here is on the start-up path."""
