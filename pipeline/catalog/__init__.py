"""What is known of a work: sources, records, missing values, checks, and sets to train on."""
