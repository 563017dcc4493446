"""The values of the OCI specifications: references, digests, descriptors, manifests, configurations, platforms. No I/O."""
