"""Training: one loop for all models, and what each family brings to it."""
