"""Network architectures (nn.Module only, one family a file), and their registry."""
