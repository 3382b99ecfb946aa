"""The search among a catalogue's vectors, exact or approximate, through the same scheduler as every encoder."""
