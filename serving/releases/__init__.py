"""Releases: which version of a model is served, and how one takes the place of another while requests come.

What is wanted stands in a small file (`plan`, `file`), written by `jubako models promote` and its like. Each worker
watches it (`watching`) and brings what it serves in line with it (`reconciling`): the new version is loaded and tested
beside the old one, takes its place in one assignment, and the old one is freed when its last request has ended.
"""
