"""The store: everything that sampan keeps on this machine (docs/design/store.md)."""
