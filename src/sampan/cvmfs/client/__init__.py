"""A client of CVMFS repositories: servers and proxies, the node's cache, a lazy tree of a repository, bundles."""
