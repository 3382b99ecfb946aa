"""Fitting a classifier's decision rule on validation rows: calibration, then thresholds."""
