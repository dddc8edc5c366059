"""The terminal: reads the customer's code, asks the server, and shows what to do."""
