"""The rules of Tallymark: pure functions over rows, without network, disk, clock or chance."""
