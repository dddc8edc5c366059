"""The life of a process: resolve, confirm, authorise, instruct, complete, reverse, or run out."""
