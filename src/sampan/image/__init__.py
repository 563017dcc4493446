"""Images between registries and the store."""
