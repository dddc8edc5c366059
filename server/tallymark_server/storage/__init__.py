"""Where rows and journal are kept: one interface, two implementations that pass one suite."""
