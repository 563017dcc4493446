"""What a person sees: words, columns, progress and help. Implements `events`."""
