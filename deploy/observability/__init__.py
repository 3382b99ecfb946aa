"""Prometheus and Grafana for the server: `dashboard.json` is made by `dashboard.py` from `panels.py`."""
