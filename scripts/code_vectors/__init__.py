"""What tests/vectors/code_format.json shows; make_vectors.py writes it."""
