"""Cards over ISO 8583: a gateway from our contract to a card host, and a host for tests."""
