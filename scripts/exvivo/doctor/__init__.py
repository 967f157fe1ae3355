"""Before a night: is everything there that it will need? Each finding says what was expected, found, and what to do."""
