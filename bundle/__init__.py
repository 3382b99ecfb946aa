"""The bundle: all that a model needs to be served. The only thing that export and serving share."""
