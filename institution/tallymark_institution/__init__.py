"""The credit institution's side of Tallymark."""
