"""The way of every change (gather, load, decide, save, answer), and work that nobody waits for."""
