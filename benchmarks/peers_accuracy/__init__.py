"""Other systems' accuracy on our split files, beside streamser's on the same clips."""
