"""The RPCs of the contract, and what stands in front of them."""
