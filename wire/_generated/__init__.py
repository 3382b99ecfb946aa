"""Made by `make proto`; edit the files of `proto/` instead."""
