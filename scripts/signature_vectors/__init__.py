"""What makes the vectors of docs/signatures.md."""
