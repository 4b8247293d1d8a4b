"""What others do on the same speech, at the same steps and windows, in the same run."""
