"""One job: its directory, and what runs on the node (docs/design/jobs.md)."""
