"""What a container is: request, record and plan. Values and pure functions; nothing here starts anything."""
