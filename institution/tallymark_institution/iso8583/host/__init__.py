"""A card host for tests, whose answers depend on the amount."""
