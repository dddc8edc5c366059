"""The life of a process: resolve, confirm, authorise, instruct, complete, reverse, and what happens when nobody answers."""
