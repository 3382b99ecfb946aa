"""Input records and the pipelines that turn them into what a graph takes; training, export and serving share them."""
