"""What of the host a program may use beyond files: each module makes Edits of a plan."""
