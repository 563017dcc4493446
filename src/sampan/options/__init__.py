"""One table of options: the parser, `--help`, man pages, completion and the compatible programs come from it. Pure."""
