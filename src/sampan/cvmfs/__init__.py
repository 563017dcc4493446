"""The repository format of CernVM-FS, read and written to the letter; knows nothing of images (docs/design/cvmfs.md)."""
