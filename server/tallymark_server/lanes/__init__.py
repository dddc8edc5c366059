"""The way of every change: gather, load, decide, save, answer; and the work that goes on when nobody asks."""
