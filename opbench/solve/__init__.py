"""The reference solver: solve(...) on finite differences."""
