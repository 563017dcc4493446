"""Images into a CVMFS repository: wishlists, what changed, layers to catalogs, layout, retention, status."""
