"""What speaks to a chip or decodes a tag. Portable."""
