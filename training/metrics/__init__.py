"""Figures of merit in NumPy, one family in each file; none is ever NaN: what is undefined is 0 or left out, as told."""
