"""The labels of the classifiers as the world names them: genres of books, categories of arXiv."""
