"""Registries: the client side of the OCI distribution specification over urllib3. Nothing here is on the start-up path."""
