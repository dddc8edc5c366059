"""The Tallymark server: decides what one scan sets off."""
