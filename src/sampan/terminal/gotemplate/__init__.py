"""Go's templates (text/template) as Docker and podman take them for `--format`: `lex` -> `parse` -> `evaluate`, and `rows` for lists.

All of the language is there but complex numbers; methods are only those that the values bring. Values are those of JSON. The place of
what is wrong is named, and what a template may do is bounded (tests/fuzz/fuzz_gotemplate.py holds the invariant).
"""
