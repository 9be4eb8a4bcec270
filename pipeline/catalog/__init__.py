"""What is known of a work: sources, labels, duplicates, balance, augmentation."""
