"""Everything that a state of a repository reaches, catalog by catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.cvmfs.catalog import Catalog
    from sampan.cvmfs.hashing import Hash
    from sampan.cvmfs.reader import Repository


def catalogs(repository: Repository, met: set[Hash]) -> Iterator[Catalog]:
    """The root catalog and all nested in it, parents first; those whose hash is in `met` are left out with all below.

    `met` grows. One of bind mount points is not followed: it belongs to another state. Raises what reading raises.
    """
    if repository.manifest.root in met:
        return
    met.add(repository.manifest.root)
    todo = [repository.root_catalog()]
    while todo:
        catalog = todo.pop()
        yield catalog
        for path, nested in sorted(catalog.nested.items()):
            if nested.hash not in met and path not in catalog.binds:
                met.add(nested.hash)
                todo.append(repository.nested_in(catalog, path))
