"""The tests of sampan; a package so that peers and images can be imported by all of them."""
