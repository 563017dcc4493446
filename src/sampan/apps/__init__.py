"""Applications: Boutiques descriptors, their values, and the launch that follows from both."""
