"""The rows that the rules read and write."""
