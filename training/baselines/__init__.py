"""What a classifier has to beat, fitted on the same rows in the same run: label frequencies, and TF-IDF with logistic
regression."""
