"""What models have to beat, fitted on the same rows in the same run."""
