"""The Tallymark phone: keeps the wallet and shows the code."""
